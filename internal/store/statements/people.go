package statements

import (
	"github.com/keyfob/keyfob/internal/store"
)

// Materials implements store.Tx.
func (t *Tx) Materials() ([]store.Material, error) {
	var out []store.Material
	err := t.rows("material", `SELECT kind, id, added_at FROM material ORDER BY kind, id`, nil, func(r Row) error {
		var m store.Material
		err := r.Scan(&m.Kind, &m.ID, moment{&m.AddedAt})
		out = append(out, m)
		return err
	})
	return out, err
}

// AddMaterial implements store.Tx.
func (t *Tx) AddMaterial(m store.Material) error {
	return t.add("material", `INSERT INTO material (kind, id, added_at) VALUES ($1, $2, $3)`, m.Kind, m.ID, micros(m.AddedAt))
}

// RemoveMaterial implements store.Tx.
func (t *Tx) RemoveMaterial(kind, id string) error {
	return t.change("material", store.ErrNotFound, `DELETE FROM material WHERE kind = $1 AND id = $2`, kind, id)
}

// UpdateOrgKey implements store.Tx.
func (t *Tx) UpdateOrgKey(o store.Org, from string) error {
	const q = `UPDATE orgs SET data_key = $3, master_key_id = $4 WHERE id = $1 AND master_key_id = $2`
	return t.change("data key", store.ErrConflict, q, o.ID, from, o.DataKey, o.MasterKeyID)
}

const orgColumns = `o.id, o.slug, o.name, o.recoverable, o.data_key, o.master_key_id, o.created_at`

func orgInto(o *store.Org) []any {
	return []any{&o.ID, &o.Slug, &o.Name, &o.Recoverable, &o.DataKey, &o.MasterKeyID, moment{&o.CreatedAt}}
}

// AddOrg implements store.Tx.
func (t *Tx) AddOrg(o store.Org) error {
	const q = `INSERT INTO orgs (id, slug, name, recoverable, data_key, master_key_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	return t.add("org", q, o.ID, o.Slug, o.Name, o.Recoverable, o.DataKey, o.MasterKeyID, micros(o.CreatedAt))
}

// Org implements store.Tx.
func (t *Tx) Org(id string) (o store.Org, err error) {
	err = t.row("org", `SELECT `+orgColumns+` FROM orgs o WHERE o.id = $1`, []any{id}, orgInto(&o)...)
	return o, err
}

// Orgs implements store.Tx.
func (t *Tx) Orgs(after string, limit int) ([]store.Org, error) {
	var out []store.Org
	const q = `SELECT ` + orgColumns + ` FROM orgs o WHERE o.id > $1 ORDER BY o.id LIMIT $2`
	err := t.rows("orgs", q, []any{after, limit}, func(r Row) error {
		var o store.Org
		err := r.Scan(orgInto(&o)...)
		out = append(out, o)
		return err
	})
	return out, err
}

// OrgBySlug implements store.Tx.
func (t *Tx) OrgBySlug(slug string) (o store.Org, err error) {
	err = t.row("org", `SELECT `+orgColumns+` FROM orgs o WHERE o.slug = $1`, []any{slug}, orgInto(&o)...)
	return o, err
}
