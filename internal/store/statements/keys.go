package statements

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const keyColumns = `k.id, k.org_id, k.name, k.folded_name, k.disabled, k.tags, k.created_at,
	k.created_by_type, k.created_by_id, k.created_by_name, k.updated_at, k.expires_at, k.deleted_at, nullif(k.used_at, 0), k.revision,
	k.rate_requests, k.rate_seconds`

func keyInto(k *store.Key) []any {
	return []any{
		&k.ID, &k.OrgID, &k.Name, &k.FoldedName, &k.Disabled,
		facts{&k.Tags},
		moment{&k.CreatedAt},
		&k.CreatedBy.Type, &k.CreatedBy.ID, &k.CreatedBy.Name,
		moment{&k.UpdatedAt},
		moment{&k.ExpiresAt},
		moment{&k.DeletedAt},
		moment{&k.LastUsedAt},
		&k.Revision,
		&k.Rate.Requests, &k.Rate.Seconds,
	}
}

// AddKey implements store.Tx.
func (t *Tx) AddKey(k store.Key, s store.NewSecret) error {
	tags, err := factsText(k.Tags)
	if err != nil {
		return err
	}
	const q = `INSERT INTO keys (id, org_id, name, folded_name, disabled, tags, created_at,
		created_by_type, created_by_id, created_by_name, updated_at, expires_at, revision, rate_requests, rate_seconds)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`
	err = t.add("key", q, k.ID, k.OrgID, k.Name, k.FoldedName, k.Disabled, tags, micros(k.CreatedAt),
		k.CreatedBy.Type, k.CreatedBy.ID, k.CreatedBy.Name, micros(k.UpdatedAt), orNull(k.ExpiresAt), k.Revision,
		k.Rate.Requests, k.Rate.Seconds)
	if err != nil {
		return err
	}
	if err := t.addTags(k); err != nil {
		return err
	}
	return t.AddSecret(s)
}

// addTags writes what the key is found by. Two tags can make one pair.
func (t *Tx) addTags(k store.Key) error {
	if len(k.Tags) == 0 {
		return nil
	}
	q := conditions{args: []any{k.ID, k.OrgID}}
	for name, value := range k.Tags {
		q.add("($1, " + q.arg(name+"="+value) + ", $2)")
	}
	return t.exec("tags", `INSERT INTO key_tags (key_id, pair, org_id) VALUES `+strings.Join(q.terms, ", ")+` ON CONFLICT DO NOTHING`, q.args...)
}

// Key implements store.Tx.
func (t *Tx) Key(orgID, id string) (store.Key, error) {
	return t.oneKey(`k.org_id = $1 AND k.id = $2 AND k.deleted_at IS NULL`, orgID, id)
}

// KeyByName implements store.Tx.
func (t *Tx) KeyByName(orgID, folded string) (store.Key, error) {
	return t.oneKey(`k.org_id = $1 AND k.folded_name = $2 AND k.deleted_at IS NULL`, orgID, folded)
}

// ActiveKey implements store.Tx.
func (t *Tx) ActiveKey(orgID string, now time.Time) (store.Key, error) {
	return t.oneKey(`k.id = (
		SELECT a.id FROM keys a
		WHERE a.org_id = $1 AND a.deleted_at IS NULL AND NOT a.disabled AND (a.expires_at IS NULL OR a.expires_at > $2)
			AND EXISTS (SELECT 1 FROM secrets c WHERE c.key_id = a.id AND c.state = '`+store.StateCurrent+`' AND c.sealed IS NOT NULL)
		ORDER BY a.used_at DESC, a.id DESC LIMIT 1)`,
		orgID, micros(now))
}

// oneKey reads the key that the condition singles out, and its secrets.
func (t *Tx) oneKey(where string, args ...any) (store.Key, error) {
	k, _, err := t.keyAndSecrets(`SELECT `+keyColumns+`, `+secretColumns+`, 0
		FROM keys k JOIN secrets s ON s.key_id = k.id WHERE `+where+` ORDER BY s.version`, args, nil)
	return k, err
}

const keyByDigest = `SELECT ` + keyColumns + `, ` + secretColumns + `, p.version, ` + orgColumns + `
	FROM secrets p JOIN keys k ON k.id = p.key_id JOIN orgs o ON o.id = k.org_id JOIN secrets s ON s.key_id = k.id
	WHERE p.digest = $1 ORDER BY s.version`

// KeyByDigest implements store.Tx.
func (t *Tx) KeyByDigest(digest [32]byte) (h store.Holder, err error) {
	h.Key, h.Version, err = t.keyAndSecrets(keyByDigest, []any{digest[:]}, orgInto(&h.Org))
	return h, err
}

// keyAndSecrets reads one key from rows that repeat it beside each of its secrets, with a number and further columns.
func (t *Tx) keyAndSecrets(query string, args, further []any) (store.Key, int, error) {
	var (
		k       store.Key
		secrets []store.Secret
		n       int
	)
	err := t.rows("key", query, args, func(r Row) error {
		var s store.Secret
		into := append(keyInto(&k), secretInto(&s)...)
		into = append(append(into, &n), further...)
		err := r.Scan(into...)
		secrets = append(secrets, s)
		return err
	})
	if err == nil && len(secrets) == 0 {
		err = fmt.Errorf("key: %w", store.ErrNotFound)
	}
	k.Secrets = secrets
	return k, n, err
}

// fillSecrets reads the secrets of all the keys in one query.
func (t *Tx) fillSecrets(keys []store.Key) error {
	if len(keys) == 0 {
		return nil
	}
	at := make(map[string]*store.Key, len(keys))
	ids := make([]string, len(keys))
	for i := range keys {
		at[keys[i].ID], ids[i] = &keys[i], keys[i].ID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	q := `SELECT ` + secretColumns + ` FROM secrets s WHERE s.key_id ` + t.engine.Dialect().OneOf + ` ORDER BY s.key_id, s.version`
	return t.rows("secrets", q, []any{string(list)}, func(r Row) error {
		var s store.Secret
		err := r.Scan(secretInto(&s)...)
		if k := at[s.KeyID]; k != nil {
			k.Secrets = append(k.Secrets, s)
		}
		return err
	})
}

// UpdateKey implements store.Tx.
func (t *Tx) UpdateKey(k store.Key) error {
	tags, err := factsText(k.Tags)
	if err != nil {
		return err
	}
	const q = `UPDATE keys SET name = $3, folded_name = $4, disabled = $5, tags = $6, expires_at = $7, updated_at = $8,
		rate_requests = $9, rate_seconds = $10, revision = revision + 1 WHERE id = $1 AND revision = $2 AND deleted_at IS NULL`
	err = t.changeUnique("key", store.ErrConflict, q, k.ID, k.Revision, k.Name, k.FoldedName, k.Disabled, tags, orNull(k.ExpiresAt), micros(k.UpdatedAt),
		k.Rate.Requests, k.Rate.Seconds)
	if err != nil {
		return err
	}
	if err := t.exec("tags", `DELETE FROM key_tags WHERE key_id = $1`, k.ID); err != nil {
		return err
	}
	return t.addTags(k)
}

// DeleteKey implements store.Tx.
func (t *Tx) DeleteKey(k store.Key, at time.Time) error {
	const q = `UPDATE keys SET deleted_at = $3, updated_at = $3, revision = revision + 1 WHERE id = $1 AND revision = $2 AND deleted_at IS NULL`
	if err := t.change("key", store.ErrConflict, q, k.ID, k.Revision, micros(at)); err != nil {
		return err
	}
	for _, q := range []string{
		`UPDATE secrets SET sealed = NULL WHERE key_id = $1`,
		`UPDATE answers SET sealed = NULL WHERE key_id = $1`,
		`UPDATE rotations SET sealed = NULL WHERE key_id = $1`,
		`DELETE FROM key_tags WHERE key_id = $1`,
	} {
		if err := t.exec("what belongs to a key", q, k.ID); err != nil {
			return err
		}
	}
	return nil
}
