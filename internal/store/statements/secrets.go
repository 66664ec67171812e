package statements

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const secretColumns = `s.key_id, s.version, s.state, s.hint, s.sealed IS NOT NULL, s.created_at, s.expires_at, s.last_used_at`

func secretInto(s *store.Secret) []any {
	return []any{
		&s.KeyID, &s.Version, &s.State, &s.Hint, &s.Sealed,
		moment{&s.CreatedAt},
		moment{&s.ExpiresAt},
		moment{&s.LastUsedAt},
	}
}

// AddSecret implements store.Tx.
func (t *Tx) AddSecret(s store.NewSecret) error {
	const q = `INSERT INTO secrets (key_id, version, state, hint, digest, pepper_id, sealed, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	return t.add("secret", q, s.KeyID, s.Version, s.State, s.Hint, s.Digest[:], s.PepperID, s.Sealed,
		micros(s.CreatedAt), orNull(s.ExpiresAt))
}

// SealedSecret implements store.Tx.
func (t *Tx) SealedSecret(keyID string, version int) (sealed []byte, err error) {
	const q = `SELECT sealed FROM secrets WHERE key_id = $1 AND version = $2 AND sealed IS NOT NULL`
	err = t.row("sealed secret", q, []any{keyID, version}, &sealed)
	return sealed, err
}

// ChangeSecret implements store.Tx.
func (t *Tx) ChangeSecret(s store.Secret, from string) error {
	const q = `UPDATE secrets SET state = $4, expires_at = $5 WHERE key_id = $1 AND version = $2 AND state = $3`
	return t.changeUnique("secret", store.ErrConflict, q, s.KeyID, s.Version, from, s.State, orNull(s.ExpiresAt))
}

// RetireSecret implements store.Tx.
func (t *Tx) RetireSecret(keyID string, version int, at time.Time) error {
	const keep = `INSERT INTO retired_secrets (digest, key_id, version, hint, pepper_id, created_at, last_used_at, retired_at)
		SELECT digest, key_id, version, hint, pepper_id, created_at, last_used_at, CAST($3 AS bigint) FROM secrets WHERE key_id = $1 AND version = $2`
	if err := t.change("secret", store.ErrNotFound, keep, keyID, version, micros(at)); err != nil {
		return err
	}
	return t.exec("secret", `DELETE FROM secrets WHERE key_id = $1 AND version = $2`, keyID, version)
}

const retiredByDigest = `SELECT ` + keyColumns + `, ` + secretColumns + `, p.version, ` + orgColumns + `,
	p.key_id, p.hint, p.created_at, p.retired_at, p.last_used_at
	FROM retired_secrets p JOIN keys k ON k.id = p.key_id JOIN orgs o ON o.id = k.org_id JOIN secrets s ON s.key_id = k.id
	WHERE p.digest = $1 ORDER BY s.version`

// RetiredByDigest implements store.Tx.
func (t *Tx) RetiredByDigest(digest [32]byte) (h store.Holder, s store.Secret, err error) {
	further := append(orgInto(&h.Org), &s.KeyID, &s.Hint, moment{&s.CreatedAt}, moment{&s.ExpiresAt}, moment{&s.LastUsedAt})
	if h.Key, h.Version, err = t.keyAndSecrets(retiredByDigest, []any{digest[:]}, further); err != nil {
		return h, s, fmt.Errorf("retired: %w", err)
	}
	s.Version, s.State = h.Version, store.StateRetired
	return h, s, nil
}

const (
	lastVersion        = `SELECT version FROM secrets WHERE key_id = $1 ORDER BY version DESC LIMIT 1`
	lastRetiredVersion = `SELECT version FROM retired_secrets WHERE key_id = $1 ORDER BY version DESC LIMIT 1`
)

// LastVersion implements store.Tx.
func (t *Tx) LastVersion(keyID string) (int, error) {
	last := 0
	for _, q := range []string{lastVersion, lastRetiredVersion} {
		var n int
		if err := t.row("last version", q, []any{keyID}, &n); err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
		last = max(last, n)
	}
	return last, nil
}

const (
	digestsAfter        = `SELECT digest FROM secrets WHERE digest > $1 ORDER BY digest LIMIT $2`
	retiredDigestsAfter = `SELECT digest FROM retired_secrets WHERE digest > $1 ORDER BY digest LIMIT $2`
)

// KeyDigests implements store.Tx.
func (t *Tx) KeyDigests(keyIDs ...string) ([][32]byte, error) {
	ids, err := json.Marshal(keyIDs)
	if err != nil {
		return nil, err
	}
	of := "key_id " + t.engine.Dialect().OneOf
	return t.digests(`SELECT digest FROM secrets WHERE `+of+` UNION ALL SELECT digest FROM retired_secrets WHERE `+of, string(ids))
}

// Digests implements store.Tx.
func (t *Tx) Digests(retired bool, after [32]byte, limit int) ([][32]byte, error) {
	q := digestsAfter
	if retired {
		q = retiredDigestsAfter
	}
	return t.digests(q, after[:], limit)
}

func (t *Tx) digests(query string, args ...any) (list [][32]byte, err error) {
	var d [32]byte
	into := []any{digest{&d}}
	err = t.rows("digests", query, args, func(r Row) error {
		err := r.Scan(into...)
		list = append(list, d)
		return err
	})
	return list, err
}
