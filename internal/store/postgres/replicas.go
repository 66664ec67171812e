package postgres

import (
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/schema"
)

// AddReplica implements store.Tx.
func (t *tx) AddReplica(r store.Replica) error {
	is, err := t.State()
	if err == nil {
		err = schema.Applied{Version: is.Schema, Since: is.Since}.Refuse(len(allMigrations()))
	}
	if err != nil {
		return err
	}
	return t.Tx.AddReplica(r)
}

// RenewReplica implements store.Tx. A renewal that is lost with the server is as good as none: nothing waits for the disk.
func (t *tx) RenewReplica(id string, applied int64) error {
	const q = `UPDATE replicas SET applied = $2, renewals = renewals + 1, seen_at = ` + now + ` WHERE id = $1
		RETURNING set_config('synchronous_commit', 'off', true)`
	n, err := t.Run("replica", q, id, applied)
	if err == nil && n == 0 {
		err = fmt.Errorf("replica: %w", store.ErrNotFound)
	}
	return err
}

// FlushedReplica implements store.Tx. Like a renewal, for which it is in the way, it waits for no disk.
func (t *tx) FlushedReplica(id string, ago time.Duration) error {
	const q = `UPDATE replicas SET flushed_at = ` + now + ` - $2 WHERE id = $1 RETURNING set_config('synchronous_commit', 'off', true)`
	n, err := t.Run("replica", q, id, ago.Microseconds())
	if err == nil && n == 0 {
		err = fmt.Errorf("replica: %w", store.ErrNotFound)
	}
	return err
}
