package sqlite

import (
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

const keyChanges = `SELECT n, added FROM key_changes WHERE id = 1`

// KeyChanges implements store.Tx.
func (t *tx) KeyChanges() (n store.KeyChanges, err error) {
	err = statements.ReadRow(t, "changes of keys", keyChanges, nil, &n.Changed, &n.Added)
	return n, err
}

// LastChange implements store.Tx.
func (t *tx) LastChange() (int64, error) {
	n, err := t.KeyChanges()
	return n.Changed, err
}

// ChangesSince implements store.Tx. Changes are counted and not kept: one process serves the file.
func (t *tx) ChangesSince(n int64, _ int) ([]store.Change, error) {
	last, err := t.LastChange()
	if err == nil && last > n {
		err = fmt.Errorf("changes: %w", store.ErrChangesGone)
	}
	return nil, err
}

// PruneChanges implements store.Tx: changes are counted here, and none is kept.
func (*tx) PruneChanges(int64, time.Duration, int) (int, error) { return 0, nil }
