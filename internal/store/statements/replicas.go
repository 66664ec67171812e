package statements

import (
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// State implements store.Tx.
func (t *Tx) State() (s store.State, err error) {
	d := t.engine.Dialect()
	q := `SELECT max(version), max(` + d.Since + `), ` + d.Now + ` FROM schema_migrations`
	err = t.row("state", q, nil, &s.Schema, &s.Since, moment{&s.Now})
	return s, err
}

// AddReplica implements store.Tx.
func (t *Tx) AddReplica(r store.Replica) error {
	now := t.engine.Dialect().Now
	q := `INSERT INTO replicas (id, name, version, applied, renewals, joined_at, seen_at) VALUES ($1, $2, $3, 0, 0, ` + now + `, ` + now + `)`
	return t.add("replica", q, r.ID, r.Name, r.Version)
}

// RenewReplica implements store.Tx.
func (t *Tx) RenewReplica(id string, applied int64) error {
	q := `UPDATE replicas SET applied = $2, renewals = renewals + 1, seen_at = ` + t.engine.Dialect().Now + ` WHERE id = $1`
	return t.change("replica", store.ErrNotFound, q, id, applied)
}

// Replicas implements store.Tx.
func (t *Tx) Replicas() (list []store.Replica, err error) {
	const q = `SELECT id, name, version, applied, renewals, joined_at, seen_at, flushed_at FROM replicas ORDER BY id`
	err = t.rows("replicas", q, nil, func(r Row) error {
		var one store.Replica
		err := r.Scan(&one.ID, &one.Name, &one.Version, &one.Applied, &one.Renewals, moment{&one.JoinedAt}, moment{&one.SeenAt}, moment{&one.FlushedAt})
		list = append(list, one)
		return err
	})
	return list, err
}

// RemoveReplica implements store.Tx.
func (t *Tx) RemoveReplica(id string, renewals int64) error {
	return t.change("replica", store.ErrNotFound, `DELETE FROM replicas WHERE id = $1 AND renewals = $2`, id, renewals)
}

// FlushedReplica implements store.Tx.
func (t *Tx) FlushedReplica(id string, ago time.Duration) error {
	q := `UPDATE replicas SET flushed_at = ` + t.engine.Dialect().Now + ` - $2 WHERE id = $1`
	return t.change("replica", store.ErrNotFound, q, id, ago.Microseconds())
}

// CountKeys implements store.Tx.
func (t *Tx) CountKeys() (keys, secrets int64, err error) {
	const q = `SELECT (SELECT count(*) FROM keys WHERE deleted_at IS NULL), (SELECT count(*) FROM secrets)`
	err = t.row("counts", q, nil, &keys, &secrets)
	return keys, secrets, err
}
