package statements

import (
	"errors"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const sessionColumns = `s.id, s.user_id, s.kind, s.name, s.host, s.org_id, s.permissions, s.hint,
	s.created_at, s.last_used_at, s.expires_at, s.ended_at, s.refused_at, s.first_use_by`

func sessionInto(s *store.Session) []any {
	return []any{
		&s.ID, &s.UserID, &s.Kind, &s.Name, &s.Host,
		text{&s.OrgID},
		texts{&s.Permissions},
		&s.Hint,
		moment{&s.CreatedAt},
		moment{&s.LastUsedAt},
		moment{&s.ExpiresAt},
		moment{&s.EndedAt},
		moment{&s.RefusedAt},
		moment{&s.FirstUseBy},
	}
}

// AddSession implements store.Tx.
func (t *Tx) AddSession(s store.NewSession) error {
	permissions, err := textsOrNull(s.Permissions)
	if err != nil {
		return err
	}
	const q = `INSERT INTO sessions (id, user_id, kind, name, host, org_id, permissions, digest, pepper_id, hint, created_at, expires_at,
		first_use_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	return t.add("session", q, s.ID, s.UserID, s.Kind, s.Name, s.Host, TextOrNull(s.OrgID), permissions, s.Digest[:], s.PepperID, s.Hint,
		micros(s.CreatedAt), orNull(s.ExpiresAt), orNull(s.FirstUseBy))
}

const sessionByDigest = `SELECT ` + sessionColumns + `, ` + userColumns + `
	FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.digest = $1`

// SessionByDigest implements store.Tx.
func (t *Tx) SessionByDigest(digest [32]byte) (s store.Session, u store.User, err error) {
	err = t.row("session", sessionByDigest, []any{digest[:]}, append(sessionInto(&s), userInto(&u)...)...)
	return s, u, err
}

// TouchSession implements store.Tx.
func (t *Tx) TouchSession(id string, at, ifBefore time.Time) error {
	const q = `UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)`
	return t.exec("session", q, id, micros(at), micros(ifBefore))
}

// RefuseSession implements store.Tx.
func (t *Tx) RefuseSession(id string, at, ifBefore time.Time) (bool, error) {
	const q = `UPDATE sessions SET refused_at = $2 WHERE id = $1 AND (refused_at IS NULL OR refused_at <= $3)`
	err := t.change("session", store.ErrNotFound, q, id, micros(at), micros(ifBefore))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// EndSession implements store.Tx.
func (t *Tx) EndSession(id string, at time.Time) error {
	return t.change("session", store.ErrNotFound, `UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL`, id, micros(at))
}

const sessionsOf = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.user_id = $1 AND s.ended_at IS NULL ORDER BY s.created_at, s.id`

// Sessions implements store.Tx.
func (t *Tx) Sessions(userID string) ([]store.Session, error) {
	var out []store.Session
	err := t.rows("sessions", sessionsOf, []any{userID}, func(r Row) error {
		var s store.Session
		err := r.Scan(sessionInto(&s)...)
		out = append(out, s)
		return err
	})
	return out, err
}
