package statements

import (
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// PutAnswer implements store.Tx.
func (t *Tx) PutAnswer(a store.Answer) error {
	const q = `INSERT INTO answers (id, fingerprint, key_id, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, key_id = excluded.key_id, sealed = excluded.sealed,
			expires_at = excluded.expires_at`
	return t.exec("answer", q, a.ID[:], a.Fingerprint[:], a.KeyID, a.Sealed, micros(a.ExpiresAt))
}

// Answer implements store.Tx.
func (t *Tx) Answer(id [32]byte, now time.Time) (store.Answer, error) {
	a := store.Answer{ID: id}
	var fingerprint []byte
	const q = `SELECT fingerprint, key_id, sealed, expires_at FROM answers WHERE id = $1 AND expires_at > $2`
	if err := t.row("answer", q, []any{id[:], micros(now)}, &fingerprint, &a.KeyID, &a.Sealed, moment{&a.ExpiresAt}); err != nil {
		return a, err
	}
	copy(a.Fingerprint[:], fingerprint)
	return a, nil
}
