package postgres

import (
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
	if _, err := t.tx.Exec(t.ctx, `SET LOCAL synchronous_commit = off`); err != nil {
		return t.failed("replica", err)
	}
	return t.Tx.RenewReplica(id, applied)
}
