package statements

import (
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const sealedUnderOthers = `SELECT s.key_id, s.version, k.org_id, s.digest, s.pepper_id, s.sealed
	FROM secrets s%[1]skeys k ON k.id = s.key_id
	WHERE (s.key_id, s.version) > ($1, $2) AND s.sealed IS NOT NULL AND s.pepper_id <> $3 ORDER BY s.key_id, s.version LIMIT $4`

// SealedUnderOthers implements store.Tx.
func (t *Tx) SealedUnderOthers(pepperID string, after store.KeyPlace, limit int) ([]store.SealedSecret, error) {
	var out []store.SealedSecret
	err := t.rows("sealed secrets", t.joined(sealedUnderOthers), []any{after.KeyID, after.Version, pepperID, limit}, func(r Row) error {
		var s store.SealedSecret
		var digest []byte
		err := r.Scan(&s.KeyID, &s.Version, &s.OrgID, &digest, &s.PepperID, &s.Sealed)
		copy(s.Digest[:], digest)
		out = append(out, s)
		return err
	})
	return out, err
}

const moveSession = `UPDATE sessions SET digest = $2, pepper_id = $3 WHERE digest = $1`

func (t *Tx) joined(query string) string { return fmt.Sprintf(query, t.engine.Dialect().join()) }

// MoveSession implements store.Tx.
func (t *Tx) MoveSession(pepperID string, m store.Move) error {
	return t.change("session", store.ErrNotFound, moveSession, m.From[:], m.To[:], pepperID)
}

// pepperUses takes now, since when retired secrets count, and the pepper. Few rows are under it: keys are looked for from them.
const pepperUses = `SELECT CASE WHEN s.sealed IS NULL THEN 'secret' ELSE 'sealed' END AS kind, count(*) AS n
		FROM secrets s%[1]skeys k ON k.id = s.key_id WHERE s.pepper_id = $3 AND k.deleted_at IS NULL GROUP BY 1
	UNION ALL SELECT 'retired', count(*)
		FROM retired_secrets r%[1]skeys k ON k.id = r.key_id WHERE r.pepper_id = $3 AND k.deleted_at IS NULL AND r.retired_at >= $2
	UNION ALL SELECT 'session', count(*)
		FROM sessions WHERE pepper_id = $3 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
			AND (first_use_by IS NULL OR last_used_at IS NOT NULL OR first_use_by > $1)
	UNION ALL SELECT 'invitation', count(*) FROM invitations WHERE pepper_id = $3 AND expires_at > $1
	UNION ALL SELECT 'grant', count(*) FROM device_grants WHERE pepper_id = $3 AND expires_at > $1
	UNION ALL SELECT 'job', count(*) FROM trust_sessions WHERE pepper_id = $3 AND expires_at > $1
	ORDER BY 1`

// PepperUses implements store.Tx.
func (t *Tx) PepperUses(pepperID string, now, retiredSince time.Time) ([]store.PepperUse, error) {
	var out []store.PepperUse
	err := t.rows("use of a pepper", t.joined(pepperUses), []any{micros(now), micros(retiredSince), pepperID}, func(r Row) error {
		var u store.PepperUse
		err := r.Scan(&u.Kind, &u.Rows)
		if u.Rows > 0 {
			out = append(out, u)
		}
		return err
	})
	return out, err
}
