package statements

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const rotationColumns = `r.id, r.org_id, r.key_id, r.state, r.revision, r.run, r.emergency, r.old_version, r.new_version, r.sealed, r.sinks,
	r.opened_by_type, r.opened_by_id, r.opened_by_name, r.opened_at, r.updated_at, r.due_at, r.promoted_at, r.retire_at, r.on_use, r.ended_at,
	r.quiet_seconds, r.grace_seconds, r.armed_at`

func rotationInto(r *store.Rotation) []any {
	return []any{
		&r.ID, &r.OrgID, &r.KeyID, &r.State, &r.Revision,
		digest{&r.Run},
		&r.Emergency, &r.OldVersion, &r.NewVersion, &r.Sealed,
		sinks{&r.Sinks},
		&r.OpenedBy.Type, &r.OpenedBy.ID, &r.OpenedBy.Name,
		moment{&r.OpenedAt},
		moment{&r.UpdatedAt},
		moment{&r.DueAt},
		moment{&r.PromotedAt},
		moment{&r.RetireAt},
		&r.OnUse,
		moment{&r.EndedAt},
		seconds{&r.Quiet},
		seconds{&r.Grace},
		moment{&r.ArmedAt},
	}
}

// seconds scans a length of time.
type seconds struct{ d *time.Duration }

func (s seconds) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("want seconds, have %T", v)
	}
	*s.d = time.Duration(n) * time.Second
	return nil
}

func secondsOf(d time.Duration) int64 { return int64(d / time.Second) }

// digest is 32 bytes; NULL is all zero.
type digest struct{ d *[32]byte }

func (d digest) Scan(v any) error {
	*d.d = [32]byte{}
	switch b := v.(type) {
	case nil:
		return nil
	case []byte:
		if len(b) != len(d.d) {
			return fmt.Errorf("a digest of %d bytes", len(b))
		}
		*d.d = [32]byte(b)
		return nil
	}
	return fmt.Errorf("want a digest, have %T", v)
}

func digestOrNull(d [32]byte) any {
	if d == [32]byte{} {
		return nil
	}
	return d[:]
}

// sinks are kept as a JSON array.
type sinks struct{ list *[]store.Sink }

func (s sinks) Scan(v any) error {
	*s.list = nil
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("want JSON text, have %T", v)
	}
	return json.Unmarshal([]byte(text), s.list)
}

func sinksText(list []store.Sink) (string, error) {
	if list == nil {
		list = []store.Sink{}
	}
	b, err := json.Marshal(list)
	return string(b), err
}

// AddRotation implements store.Tx.
func (t *Tx) AddRotation(r store.Rotation) error {
	list, err := sinksText(r.Sinks)
	if err != nil {
		return err
	}
	const q = `INSERT INTO rotations (id, org_id, key_id, state, revision, run, emergency, old_version, new_version, sealed, sinks,
		opened_by_type, opened_by_id, opened_by_name, opened_at, updated_at, due_at, promoted_at, retire_at, on_use, ended_at,
		quiet_seconds, grace_seconds, armed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`
	return t.add("rotation", q, r.ID, r.OrgID, r.KeyID, r.State, r.Revision, digestOrNull(r.Run), r.Emergency, r.OldVersion, r.NewVersion,
		r.Sealed, list, r.OpenedBy.Type, r.OpenedBy.ID, r.OpenedBy.Name, micros(r.OpenedAt), micros(r.UpdatedAt), orNull(r.DueAt),
		orNull(r.PromotedAt), orNull(r.RetireAt), r.OnUse, orNull(r.EndedAt), secondsOf(r.Quiet), secondsOf(r.Grace), orNull(r.ArmedAt))
}

// UpdateRotation implements store.Tx.
func (t *Tx) UpdateRotation(r store.Rotation) error {
	list, err := sinksText(r.Sinks)
	if err != nil {
		return err
	}
	const q = `UPDATE rotations SET state = $3, run = $4, emergency = $5, sealed = $6, sinks = $7, updated_at = $8, due_at = $9,
		promoted_at = $10, retire_at = $11, on_use = $12, ended_at = $13, quiet_seconds = $14, grace_seconds = $15, armed_at = $16,
		revision = revision + 1 WHERE id = $1 AND revision = $2`
	return t.change("rotation", store.ErrConflict, q, r.ID, r.Revision, r.State, digestOrNull(r.Run), r.Emergency, r.Sealed, list,
		micros(r.UpdatedAt), orNull(r.DueAt), orNull(r.PromotedAt), orNull(r.RetireAt), r.OnUse, orNull(r.EndedAt),
		secondsOf(r.Quiet), secondsOf(r.Grace), orNull(r.ArmedAt))
}

const (
	rotationByID  = `SELECT ` + rotationColumns + ` FROM rotations r WHERE r.key_id = $1 AND r.id = $2`
	openRotation  = `SELECT ` + rotationColumns + ` FROM rotations r WHERE r.key_id = $1 AND r.promoted_at IS NULL AND r.ended_at IS NULL`
	rotationOfRun = `SELECT ` + rotationColumns + ` FROM rotations r WHERE r.key_id = $1 AND r.run = $2 ORDER BY r.id DESC LIMIT 1`
	rotationsOf   = `SELECT ` + rotationColumns + ` FROM rotations r WHERE r.key_id = $1 ORDER BY r.id DESC LIMIT $2`
	dueRotations  = `SELECT ` + rotationColumns + ` FROM rotations r WHERE r.due_at <= $1 ORDER BY r.due_at LIMIT $2`
)

// Rotation implements store.Tx.
func (t *Tx) Rotation(keyID, id string) (r store.Rotation, err error) {
	err = t.row("rotation", rotationByID, []any{keyID, id}, rotationInto(&r)...)
	return r, err
}

// OpenRotation implements store.Tx.
func (t *Tx) OpenRotation(keyID string) (r store.Rotation, err error) {
	err = t.row("open rotation", openRotation, []any{keyID}, rotationInto(&r)...)
	return r, err
}

// RotationOfRun implements store.Tx.
func (t *Tx) RotationOfRun(keyID string, run [32]byte) (r store.Rotation, err error) {
	err = t.row("rotation of a run", rotationOfRun, []any{keyID, run[:]}, rotationInto(&r)...)
	return r, err
}

// Rotations implements store.Tx.
func (t *Tx) Rotations(keyID string, limit int) ([]store.Rotation, error) {
	return t.rotations(rotationsOf, keyID, limit)
}

// DueRotations implements store.Tx.
func (t *Tx) DueRotations(now time.Time, limit int) ([]store.Rotation, error) {
	return t.rotations(dueRotations, micros(now), limit)
}

func (t *Tx) rotations(query string, args ...any) ([]store.Rotation, error) {
	var out []store.Rotation
	err := t.rows("rotations", query, args, func(row Row) error {
		var r store.Rotation
		err := row.Scan(rotationInto(&r)...)
		out = append(out, r)
		return err
	})
	return out, err
}
