package sqlite

import "github.com/keyfob/keyfob/internal/store"

// now is SQLite's clock in microseconds: what it says is for people alone.
const now = `CAST(unixepoch('subsec') * 1000000 AS INTEGER)`

// State implements store.Tx.
func (t *tx) State() (s store.State, err error) {
	const q = `SELECT (SELECT max(version) FROM schema_migrations), (SELECT count(*) FROM keys WHERE deleted_at IS NULL),
		(SELECT count(*) FROM secrets), ` + now
	err = t.row("state", q, nil, &s.Schema, &s.Keys, &s.Secrets, moment{&s.Now})
	return s, err
}

// AddReplica implements store.Tx.
func (t *tx) AddReplica(r store.Replica) error {
	const q = `INSERT INTO replicas (id, name, version, applied, renewals, joined_at, seen_at) VALUES ($1, $2, $3, 0, 0, ` + now + `, ` + now + `)`
	return t.add("replica", q, r.ID, r.Name, r.Version)
}

// RenewReplica implements store.Tx.
func (t *tx) RenewReplica(id string, applied int64) error {
	const q = `UPDATE replicas SET applied = $2, renewals = renewals + 1, seen_at = ` + now + ` WHERE id = $1`
	return t.change("replica", store.ErrNotFound, q, id, applied)
}

// Replicas implements store.Tx.
func (t *tx) Replicas() (list []store.Replica, err error) {
	const q = `SELECT id, name, version, applied, renewals, joined_at, seen_at FROM replicas ORDER BY id`
	err = t.rows("replicas", q, nil, func(r scanner) error {
		var one store.Replica
		err := r.Scan(&one.ID, &one.Name, &one.Version, &one.Applied, &one.Renewals, moment{&one.JoinedAt}, moment{&one.SeenAt})
		list = append(list, one)
		return err
	})
	return list, err
}

// RemoveReplica implements store.Tx.
func (t *tx) RemoveReplica(id string, renewals int64) error {
	return t.change("replica", store.ErrNotFound, `DELETE FROM replicas WHERE id = $1 AND renewals = $2`, id, renewals)
}
