package core

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// replayTimeout bounds a replay: it is one transaction.
const replayTimeout = 10 * time.Minute

// Replay revokes again what was revoked after the backup that the store was restored from, in one transaction with an event for
// each. It only ever takes access away: a key gets the standing that it had last, unless the store's is narrower. What is gone
// already, or was made after the backup, is passed over. It says how many changes it made.
func (s *Service) Replay(ctx context.Context, list []store.LoggedRevocation) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	var r *replay
	err := s.update(ctx, func(tx store.Tx) error {
		r = &replay{s: s, tx: tx}
		for _, one := range lastStandings(list) {
			if err := r.one(one); err != nil {
				return fmt.Errorf("revocation %d (%s): %w", one.N, one.What, err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("replay revocations: %w", err)
	}
	return r.done, nil
}

// lastStandings leaves of what was said of each key the last.
func lastStandings(list []store.LoggedRevocation) []store.LoggedRevocation {
	standing := func(what string) bool { return what == store.RevokedKey || what == store.RevokedKeyOpened }
	last := map[string]int64{}
	for _, r := range list {
		if standing(r.What) {
			last[r.KeyID] = r.N
		}
	}
	out := make([]store.LoggedRevocation, 0, len(list))
	for _, r := range list {
		if !standing(r.What) || last[r.KeyID] == r.N {
			out = append(out, r)
		}
	}
	return out
}

type replay struct {
	s    *Service
	tx   store.Tx
	done int
}

// one revokes once more; what is not there any more is passed over.
func (r *replay) one(l store.LoggedRevocation) error {
	step := map[string]func(store.LoggedRevocation) (bool, error){
		store.RevokedKey:        r.standing,
		store.RevokedKeyOpened:  r.standing,
		store.RevokedKeyDeleted: r.deleteKey,
		store.RevokedSecret:     r.retire,
		store.RevokedSecretEnds: r.endSecret,
		store.RevokedSession:    func(l store.LoggedRevocation) (bool, error) { return true, r.tx.EndSession(l.SessionID, l.At) },
		// Whether it was there is not told; it would have expired within the hour.
		store.RevokedJobSession: func(l store.LoggedRevocation) (bool, error) { return false, r.tx.EndTrustSession(l.SessionID) },
		store.RevokedTrust:      func(l store.LoggedRevocation) (bool, error) { return true, r.tx.DeleteTrustRule(l.RuleID) },
		store.RevokedMember: func(l store.LoggedRevocation) (bool, error) {
			return true, r.tx.RemoveMembership(l.OrgID, l.UserID)
		},
		store.RevokedRole:       r.role,
		store.RevokedPassword:   r.password,
		store.RevokedInvitation: func(l store.LoggedRevocation) (bool, error) { return true, r.tx.CloseInvitation(l.InvitationID, l.At) },
	}[l.What]
	if step == nil { // a newer version's
		return errors.New("this version does not know what it takes away")
	}
	changed, err := step(l)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !changed {
		return err
	}
	r.done++
	return r.tell(l)
}

func (r *replay) tell(l store.LoggedRevocation) error {
	org := l.OrgID
	if _, err := r.tx.Org(org); errors.Is(err, store.ErrNotFound) { // made after the backup
		org = ""
	} else if err != nil {
		return err
	}
	version := ""
	if l.Version > 0 {
		version = strconv.Itoa(l.Version)
	}
	data := facts("what", l.What, "revoked_at", l.At.Format(time.RFC3339), "versions", version, "session", l.SessionID, "member", l.UserID,
		"trust", l.RuleID, "invitation", l.InvitationID)
	return r.s.addEvent(r.tx, Event{
		Type: "revocation.replayed", OrgID: org, KeyID: l.KeyID, Actor: Actor{Type: api.ActorSystem, Name: "restore"}, Data: data,
	})
}

// key returns a key that is not deleted.
func (r *replay) key(id string) (store.Key, error) {
	digests, err := r.tx.KeyDigests(id)
	if err != nil {
		return store.Key{}, err
	}
	for _, d := range digests {
		h, err := r.tx.KeyByDigest(d)
		if errors.Is(err, store.ErrNotFound) { // a retired secret
			continue
		}
		if err == nil && !h.Key.DeletedAt.IsZero() {
			err = store.ErrNotFound
		}
		return h.Key, err
	}
	return store.Key{}, store.ErrNotFound
}

func (r *replay) standing(l store.LoggedRevocation) (bool, error) {
	k, err := r.key(l.KeyID)
	if err != nil {
		return false, err
	}
	ends := store.Sooner(k.ExpiresAt, l.ExpiresAt)
	if k.Disabled == (k.Disabled || l.Disabled) && ends.Equal(k.ExpiresAt) {
		return false, nil
	}
	k.Disabled, k.ExpiresAt, k.UpdatedAt = k.Disabled || l.Disabled, ends, r.s.now()
	return true, r.tx.UpdateKey(k)
}

func (r *replay) deleteKey(l store.LoggedRevocation) (bool, error) {
	k, err := r.key(l.KeyID)
	if err != nil {
		return false, err
	}
	return true, r.tx.DeleteKey(k, l.At)
}

// secret returns the key and one secret of it that is not retired.
func (r *replay) secret(l store.LoggedRevocation) (k store.Key, s store.Secret, err error) {
	if k, err = r.key(l.KeyID); err != nil {
		return k, s, err
	}
	for _, s := range k.Secrets {
		if s.Version == l.Version {
			return k, s, nil
		}
	}
	return k, s, store.ErrNotFound
}

func (r *replay) endSecret(l store.LoggedRevocation) (bool, error) {
	_, v, err := r.secret(l)
	if err != nil {
		return false, err
	}
	ends := store.Sooner(v.ExpiresAt, l.ExpiresAt)
	if ends.Equal(v.ExpiresAt) {
		return false, nil
	}
	v.ExpiresAt = ends
	return true, r.tx.ChangeSecret(v, v.State)
}

// retire retires a secret, and brings the rotation that it was part of to its end. A key's only secret ends instead: the one that took
// its place was made after the backup, and the key is to be found and rotated.
func (r *replay) retire(l store.LoggedRevocation) (bool, error) {
	k, v, err := r.secret(l)
	if err != nil {
		return false, err
	}
	next, found := store.Secret{}, false
	for _, o := range k.Secrets {
		if o.State == store.StateNext && o.Version != v.Version {
			next, found = o, true
		}
	}
	if v.State == store.StateCurrent && !found {
		l.ExpiresAt = l.At
		return r.endSecret(l)
	}
	if err := r.tx.RetireSecret(k.ID, v.Version, l.At); err != nil {
		return false, err
	}
	if v.State == store.StateCurrent {
		next.State = store.StateCurrent
		if err := r.tx.ChangeSecret(next, store.StateNext); err != nil {
			return false, err
		}
	}
	return true, r.endRotations(k, v.Version, l.At)
}

// endRotations ends the rotations that took the version's place, or whose new secret it was.
func (r *replay) endRotations(k store.Key, version int, at time.Time) error {
	rows, err := (&rotating{s: r.s, tx: r.tx, key: k}).unended()
	if err != nil {
		return err
	}
	for _, row := range rows {
		switch {
		case row.OldVersion == version:
			row.State = string(api.RotationRetired)
			if row.PromotedAt.IsZero() {
				row.PromotedAt = at
			}
			row.RetireAt = store.Sooner(row.RetireAt, at)
		case row.NewVersion == version && row.PromotedAt.IsZero():
			row.State = string(api.RotationCancelled)
		default:
			continue
		}
		row.Sealed, row.DueAt, row.UpdatedAt, row.EndedAt = nil, time.Time{}, r.s.now(), at
		if err := r.tx.UpdateRotation(row); err != nil {
			return err
		}
	}
	return nil
}

// role takes a role that may less.
func (r *replay) role(l store.LoggedRevocation) (bool, error) {
	m, err := r.tx.Membership(l.OrgID, l.UserID)
	if err != nil {
		return false, err
	}
	was, now := api.Role(m.Role), api.Role(l.Role)
	if len(now.Permissions()) >= len(was.Permissions()) { // each role has those of all below it
		return false, nil
	}
	m.Role = l.Role
	return true, r.tx.UpdateMembership(m)
}

// password takes the old one away; a set-up link sets another.
func (r *replay) password(l store.LoggedRevocation) (bool, error) {
	u, err := r.tx.User(l.UserID)
	if err != nil || u.Password == "" {
		return false, err
	}
	u.Password = ""
	return true, r.tx.UpdateUser(u)
}
