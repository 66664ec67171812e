package sqlite

import (
	"errors"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// Materials implements store.Tx.
func (t *tx) Materials() ([]store.Material, error) {
	var out []store.Material
	err := t.rows("material", `SELECT kind, id, added_at FROM material ORDER BY kind, id`, nil, func(r scanner) error {
		var m store.Material
		err := r.Scan(&m.Kind, &m.ID, moment{&m.AddedAt})
		out = append(out, m)
		return err
	})
	return out, err
}

// AddMaterial implements store.Tx.
func (t *tx) AddMaterial(m store.Material) error {
	return t.exec("material", `INSERT INTO material (kind, id, added_at) VALUES ($1, $2, $3)`, m.Kind, m.ID, micros(m.AddedAt))
}

const orgColumns = `o.id, o.slug, o.name, o.recoverable, o.data_key, o.master_key_id, o.created_at`

func orgInto(o *store.Org) []any {
	return []any{&o.ID, &o.Slug, &o.Name, &o.Recoverable, &o.DataKey, &o.MasterKeyID, moment{&o.CreatedAt}}
}

// AddOrg implements store.Tx.
func (t *tx) AddOrg(o store.Org) error {
	const q = `INSERT INTO orgs (id, slug, name, recoverable, data_key, master_key_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	return t.exec("org", q, o.ID, o.Slug, o.Name, o.Recoverable, o.DataKey, o.MasterKeyID, micros(o.CreatedAt))
}

// Org implements store.Tx.
func (t *tx) Org(id string) (o store.Org, err error) {
	err = t.row("org", `SELECT `+orgColumns+` FROM orgs o WHERE o.id = $1`, []any{id}, orgInto(&o)...)
	return o, err
}

// OrgBySlug implements store.Tx.
func (t *tx) OrgBySlug(slug string) (o store.Org, err error) {
	err = t.row("org", `SELECT `+orgColumns+` FROM orgs o WHERE o.slug = $1`, []any{slug}, orgInto(&o)...)
	return o, err
}

const userColumns = `u.id, u.name, u.created_at`

func userInto(u *store.User) []any { return []any{&u.ID, &u.Name, moment{&u.CreatedAt}} }

// AddUser implements store.Tx.
func (t *tx) AddUser(u store.User) error {
	return t.exec("user", `INSERT INTO users (id, name, created_at) VALUES ($1, $2, $3)`, u.ID, u.Name, micros(u.CreatedAt))
}

// User implements store.Tx.
func (t *tx) User(id string) (u store.User, err error) {
	err = t.row("user", `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, []any{id}, userInto(&u)...)
	return u, err
}

// AddMembership implements store.Tx.
func (t *tx) AddMembership(m store.Membership) error {
	const q = `INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)`
	return t.exec("membership", q, m.OrgID, m.UserID, m.Role, micros(m.CreatedAt))
}

// Membership implements store.Tx.
func (t *tx) Membership(orgID, userID string) (store.Membership, error) {
	m := store.Membership{OrgID: orgID, UserID: userID}
	const q = `SELECT role, created_at FROM memberships WHERE org_id = $1 AND user_id = $2`
	err := t.row("membership", q, []any{orgID, userID}, &m.Role, moment{&m.CreatedAt})
	return m, err
}

// MembershipsOf implements store.Tx.
func (t *tx) MembershipsOf(userID string) ([]store.OrgMembership, error) {
	const q = `SELECT m.role, ` + orgColumns + ` FROM memberships m JOIN orgs o ON o.id = m.org_id WHERE m.user_id = $1 ORDER BY o.slug`
	var out []store.OrgMembership
	err := t.rows("memberships", q, []any{userID}, func(r scanner) error {
		var m store.OrgMembership
		err := r.Scan(append([]any{&m.Role}, orgInto(&m.Org)...)...)
		out = append(out, m)
		return err
	})
	return out, err
}

// FirstMember implements store.Tx.
func (t *tx) FirstMember(orgID, role string) (u store.User, err error) {
	const q = `SELECT ` + userColumns + ` FROM memberships m JOIN users u ON u.id = m.user_id
		WHERE m.org_id = $1 AND m.role = $2 ORDER BY m.created_at, m.user_id LIMIT 1`
	err = t.row("member", q, []any{orgID, role}, userInto(&u)...)
	return u, err
}

// AddSession implements store.Tx.
func (t *tx) AddSession(s store.NewSession) error {
	const q = `INSERT INTO sessions (id, user_id, digest, pepper_id, hint, created_at) VALUES ($1, $2, $3, $4, $5, $6)`
	return t.exec("session", q, s.ID, s.UserID, s.Digest[:], s.PepperID, s.Hint, micros(s.CreatedAt))
}

const sessionByDigest = `SELECT s.id, s.user_id, s.hint, s.created_at, s.last_used_at, s.ended_at, s.refused_at, ` + userColumns + `
	FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.digest = $1`

// SessionByDigest implements store.Tx.
func (t *tx) SessionByDigest(digest [32]byte) (s store.Session, u store.User, err error) {
	into := []any{&s.ID, &s.UserID, &s.Hint, moment{&s.CreatedAt}, moment{&s.LastUsedAt}, moment{&s.EndedAt}, moment{&s.RefusedAt}}
	err = t.row("session", sessionByDigest, []any{digest[:]}, append(into, userInto(&u)...)...)
	return s, u, err
}

// TouchSession implements store.Tx.
func (t *tx) TouchSession(id string, at, ifBefore time.Time) error {
	const q = `UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)`
	return t.exec("session", q, id, micros(at), micros(ifBefore))
}

// RefuseSession implements store.Tx.
func (t *tx) RefuseSession(id string, at, ifBefore time.Time) (bool, error) {
	const q = `UPDATE sessions SET refused_at = $2 WHERE id = $1 AND (refused_at IS NULL OR refused_at <= $3)`
	err := t.change("session", store.ErrNotFound, q, id, micros(at), micros(ifBefore))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// EndSession implements store.Tx.
func (t *tx) EndSession(id string, at time.Time) error {
	return t.change("session", store.ErrNotFound, `UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL`, id, micros(at))
}
