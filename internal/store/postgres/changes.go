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

// counts are what a transaction has read of the one row.
type counts struct {
	last int64
	n    store.KeyChanges
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
		t.wrote, t.counts = false, nil
	}
	if t.counts == nil { // in one transaction they are the same until it writes
		c := counts{}
		if err := statements.ReadRow(t, what, keyChanges, nil, &c.last, &c.n.Changed, &c.n.Added); err != nil {
			return 0, n, err
		}
		t.counts = &c
	}
	return t.counts.last, t.counts.n, nil
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
	if err == nil && (len(out) == 0 || out[len(out)-1].N != n+int64(len(out))) { // the first ones, or some between
		err = fmt.Errorf("changes since %d: %w", n, store.ErrChangesGone)
	}
	return out, err
}

// PruneChanges implements store.Tx. It looks at the oldest entries alone, so that it costs little where there is nothing to do, and
// stops before the first that is too young: clocks go back, and a gap within the log would hide changes.
func (t *tx) PruneChanges(upto int64, kept time.Duration, limit int) (int, error) {
	const q = `WITH oldest AS (SELECT n, at FROM changes WHERE n <= $1 ORDER BY n LIMIT $3)
		DELETE FROM changes WHERE n IN (
			SELECT n FROM oldest WHERE n < coalesce((SELECT min(n) FROM oldest WHERE at > ` + now + ` - $2), $1 + 1))`
	n, err := t.Run("changes", q, upto, kept.Microseconds(), limit)
	return int(n), err
}
