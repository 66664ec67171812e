package postgres

// RenewReplica implements store.Tx. A renewal that is lost with the server is as good as none: nothing waits for the disk.
func (t *tx) RenewReplica(id string, applied int64) error {
	if _, err := t.tx.Exec(t.ctx, `SET LOCAL synchronous_commit = off`); err != nil {
		return t.failed("replica", err)
	}
	return t.Tx.RenewReplica(id, applied)
}
