package postgres

import (
	"fmt"

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
