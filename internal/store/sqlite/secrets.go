package sqlite

import (
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

func (t *tx) addSecret(s store.NewSecret) error {
	const q = `INSERT INTO secrets (key_id, version, state, hint, digest, pepper_id, sealed, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	return t.exec("secret", q, s.KeyID, s.Version, s.State, s.Hint, s.Digest[:], s.PepperID, s.Sealed,
		micros(s.CreatedAt), orNull(s.ExpiresAt))
}

// SealedSecret implements store.Tx.
func (t *tx) SealedSecret(keyID string, version int) (sealed []byte, err error) {
	const q = `SELECT sealed FROM secrets WHERE key_id = $1 AND version = $2 AND sealed IS NOT NULL`
	err = t.row("sealed secret", q, []any{keyID, version}, &sealed)
	return sealed, err
}
