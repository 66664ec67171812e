package statements

import "github.com/keyfob/keyfob/internal/store"

// State implements store.Tx.
func (t *Tx) State() (s store.State, err error) {
	q := `SELECT (SELECT max(version) FROM schema_migrations), (SELECT count(*) FROM keys WHERE deleted_at IS NULL),
		(SELECT count(*) FROM secrets), ` + t.engine.Dialect().Now
	err = t.row("state", q, nil, &s.Schema, &s.Keys, &s.Secrets, moment{&s.Now})
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
	const q = `SELECT id, name, version, applied, renewals, joined_at, seen_at FROM replicas ORDER BY id`
	err = t.rows("replicas", q, nil, func(r Row) error {
		var one store.Replica
		err := r.Scan(&one.ID, &one.Name, &one.Version, &one.Applied, &one.Renewals, moment{&one.JoinedAt}, moment{&one.SeenAt})
		list = append(list, one)
		return err
	})
	return list, err
}

// RemoveReplica implements store.Tx.
func (t *Tx) RemoveReplica(id string, renewals int64) error {
	return t.change("replica", store.ErrNotFound, `DELETE FROM replicas WHERE id = $1 AND renewals = $2`, id, renewals)
}
