package statements

import (
	"github.com/keyfob/keyfob/internal/store"
)

const userColumns = `u.id, u.name, u.email, u.password, u.issuer, u.subject, u.created_at`

func userInto(u *store.User) []any {
	return []any{&u.ID, &u.Name, text{&u.Email}, text{&u.Password}, text{&u.Issuer}, text{&u.Subject}, moment{&u.CreatedAt}}
}

// AddUser implements store.Tx.
func (t *Tx) AddUser(u store.User) error {
	const q = `INSERT INTO users (id, name, email, password, issuer, subject, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	return t.add("user", q, u.ID, u.Name, TextOrNull(u.Email), TextOrNull(u.Password), TextOrNull(u.Issuer), TextOrNull(u.Subject),
		micros(u.CreatedAt))
}

const (
	userByID       = `SELECT ` + userColumns + ` FROM users u WHERE u.id = $1`
	userByEmail    = `SELECT ` + userColumns + ` FROM users u WHERE u.email = $1`
	userByIdentity = `SELECT ` + userColumns + ` FROM users u WHERE u.issuer = $1 AND u.subject = $2`
)

// User implements store.Tx.
func (t *Tx) User(id string) (store.User, error) { return t.oneUser("user", userByID, id) }

// UserByEmail implements store.Tx.
func (t *Tx) UserByEmail(folded string) (store.User, error) {
	return t.oneUser("user", userByEmail, folded)
}

// UserByIdentity implements store.Tx.
func (t *Tx) UserByIdentity(issuer, subject string) (store.User, error) {
	return t.oneUser("user", userByIdentity, issuer, subject)
}

func (t *Tx) oneUser(what, query string, args ...any) (u store.User, err error) {
	err = t.row(what, query, args, userInto(&u)...)
	return u, err
}

// UpdateUser implements store.Tx.
func (t *Tx) UpdateUser(u store.User) error {
	const q = `UPDATE users SET name = $2, email = $3, password = $4, issuer = $5, subject = $6 WHERE id = $1`
	return t.changeUnique("user", store.ErrNotFound, q, u.ID, u.Name, TextOrNull(u.Email), TextOrNull(u.Password),
		TextOrNull(u.Issuer), TextOrNull(u.Subject))
}

// AnyUser implements store.Tx.
func (t *Tx) AnyUser() (found bool, err error) {
	err = t.row("users", `SELECT EXISTS (SELECT 1 FROM users)`, nil, &found)
	return found, err
}

// AddMembership implements store.Tx.
func (t *Tx) AddMembership(m store.Membership) error {
	const q = `INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)`
	return t.add("membership", q, m.OrgID, m.UserID, m.Role, micros(m.CreatedAt))
}

// Membership implements store.Tx.
func (t *Tx) Membership(orgID, userID string) (store.Membership, error) {
	m := store.Membership{OrgID: orgID, UserID: userID}
	const q = `SELECT role, created_at FROM memberships WHERE org_id = $1 AND user_id = $2`
	err := t.row("membership", q, []any{orgID, userID}, &m.Role, moment{&m.CreatedAt})
	return m, err
}

// UpdateMembership implements store.Tx.
func (t *Tx) UpdateMembership(m store.Membership) error {
	const q = `UPDATE memberships SET role = $3 WHERE org_id = $1 AND user_id = $2`
	return t.change("membership", store.ErrNotFound, q, m.OrgID, m.UserID, m.Role)
}

// RemoveMembership implements store.Tx.
func (t *Tx) RemoveMembership(orgID, userID string) error {
	return t.change("membership", store.ErrNotFound, `DELETE FROM memberships WHERE org_id = $1 AND user_id = $2`, orgID, userID)
}

const membersOf = `SELECT m.org_id, m.user_id, m.role, m.created_at, ` + userColumns + ` FROM memberships m JOIN users u ON u.id = m.user_id
	WHERE m.org_id = $1 ORDER BY m.created_at, m.user_id`

// Members implements store.Tx.
func (t *Tx) Members(orgID string) ([]store.Member, error) {
	var out []store.Member
	err := t.rows("members", membersOf, []any{orgID}, func(r Row) error {
		var m store.Member
		err := r.Scan(append([]any{&m.OrgID, &m.UserID, &m.Role, moment{&m.CreatedAt}}, userInto(&m.User)...)...)
		out = append(out, m)
		return err
	})
	return out, err
}

// MembershipsOf implements store.Tx.
func (t *Tx) MembershipsOf(userID string) ([]store.OrgMembership, error) {
	const q = `SELECT m.role, ` + orgColumns + ` FROM memberships m JOIN orgs o ON o.id = m.org_id WHERE m.user_id = $1 ORDER BY o.slug`
	var out []store.OrgMembership
	err := t.rows("memberships", q, []any{userID}, func(r Row) error {
		var m store.OrgMembership
		err := r.Scan(append([]any{&m.Role}, orgInto(&m.Org)...)...)
		out = append(out, m)
		return err
	})
	return out, err
}

const firstMember = `SELECT ` + userColumns + ` FROM memberships m JOIN users u ON u.id = m.user_id
	WHERE m.org_id = $1 AND m.role = $2 ORDER BY m.created_at, m.user_id LIMIT 1`

// FirstMember implements store.Tx.
func (t *Tx) FirstMember(orgID, role string) (store.User, error) {
	return t.oneUser("member", firstMember, orgID, role)
}
