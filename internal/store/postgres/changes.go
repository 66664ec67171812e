package postgres

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

// Triggers write the log of changes when a transaction is committed, so that its lock on the counter, which makes numbers follow
// the order of commits, is held as shortly as can be. Whoever reads the count in a transaction that changed something has them run
// at once.
const keyChanges = `SELECT n, known, added FROM key_changes WHERE id = 1`

// KeyChanges implements store.Tx.
func (t *tx) KeyChanges() (store.KeyChanges, error) {
	_, counted, err := t.counted()
	return counted, err
}

// LastChange implements store.Tx.
func (t *tx) LastChange() (int64, error) {
	last, _, err := t.counted()
	return last, err
}

func (t *tx) counted() (last int64, n store.KeyChanges, err error) {
	const what = "changes"
	if t.wrote {
		batch := &pgx.Batch{}
		batch.Queue(`SET CONSTRAINTS ALL IMMEDIATE`)
		batch.Queue(`SET CONSTRAINTS ALL DEFERRED`)
		if err := t.batch(what, batch); err != nil {
			return 0, n, err
		}
		t.wrote = false
	}
	err = statements.ReadRow(t, what, keyChanges, nil, &last, &n.Changed, &n.Added)
	return last, n, err
}

const changesSince = `SELECT n, kind, org_id, key_id, at FROM changes WHERE n > $1 ORDER BY n LIMIT $2`

// ChangesSince implements store.Tx.
func (t *tx) ChangesSince(n int64, limit int) ([]store.Change, error) {
	last, err := t.LastChange()
	if err != nil || last <= n {
		return nil, err
	}
	var out []store.Change
	err = t.Rows("changes", changesSince, []any{n, limit}, func(r statements.Row) error {
		var (
			c   store.Change
			key sql.NullString
			at  int64
		)
		err := r.Scan(&c.N, &c.Kind, &c.OrgID, &key, &at)
		c.KeyID, c.At = key.String, time.UnixMicro(at).UTC()
		out = append(out, c)
		return err
	})
	if err == nil && (len(out) == 0 || out[0].N != n+1) {
		err = fmt.Errorf("changes since %d: %w", n, store.ErrChangesGone)
	}
	return out, err
}
