package revoked

import (
	"errors"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// tx notes what a transaction revokes.
type tx struct {
	store.Tx

	revoked []store.Revocation
	org     string // of the first event that has one
}

func (t *tx) note(r store.Revocation) { t.revoked = append(t.revoked, r) }

// told returns what was revoked, each with the org that is told of it.
func (t *tx) told() []store.Revocation {
	for i := range t.revoked {
		if t.revoked[i].OrgID == "" {
			t.revoked[i].OrgID = t.org
		}
	}
	return t.revoked
}

// AddEvent implements store.Tx.
func (t *tx) AddEvent(e store.Event) error {
	if t.org == "" {
		t.org = e.OrgID
	}
	return t.Tx.AddEvent(e)
}

// UpdateKey implements store.Tx. A change that closes and opens at once is logged as both: what is left if it was not committed is
// the narrower.
func (t *tx) UpdateKey(k store.Key) error {
	was, err := t.Key(k.OrgID, k.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := t.Tx.UpdateKey(k); err != nil {
		return err
	}
	after := store.Revocation{What: store.RevokedKeyOpened, OrgID: k.OrgID, KeyID: k.ID, Disabled: k.Disabled, ExpiresAt: k.ExpiresAt}
	both := after
	both.What, both.Disabled, both.ExpiresAt = store.RevokedKey, was.Disabled || k.Disabled, store.Sooner(was.ExpiresAt, k.ExpiresAt)
	if both.Disabled != was.Disabled || !both.ExpiresAt.Equal(was.ExpiresAt) {
		t.note(both)
	}
	if both.Disabled != k.Disabled || !both.ExpiresAt.Equal(k.ExpiresAt) {
		t.note(after)
	}
	return nil
}

// DeleteKey implements store.Tx.
func (t *tx) DeleteKey(k store.Key, at time.Time) error {
	t.note(store.Revocation{What: store.RevokedKeyDeleted, OrgID: k.OrgID, KeyID: k.ID})
	return t.Tx.DeleteKey(k, at)
}

// RetireSecret implements store.Tx.
func (t *tx) RetireSecret(keyID string, version int, at time.Time) error {
	err := t.Tx.RetireSecret(keyID, version, at)
	if err == nil {
		t.note(store.Revocation{What: store.RevokedSecret, KeyID: keyID, Version: version})
	}
	return err
}

// ChangeSecret implements store.Tx. A later end than before takes nothing away, and is logged all the same: a restore keeps the
// soonest.
func (t *tx) ChangeSecret(s store.Secret, from string) error {
	if !s.ExpiresAt.IsZero() {
		t.note(store.Revocation{What: store.RevokedSecretEnds, KeyID: s.KeyID, Version: s.Version, ExpiresAt: s.ExpiresAt})
	}
	return t.Tx.ChangeSecret(s, from)
}

// EndSession implements store.Tx.
func (t *tx) EndSession(id string, at time.Time) error {
	err := t.Tx.EndSession(id, at)
	if err == nil {
		t.note(store.Revocation{What: store.RevokedSession, SessionID: id})
	}
	return err
}

// EndTrustSession implements store.Tx.
func (t *tx) EndTrustSession(id string) error {
	t.note(store.Revocation{What: store.RevokedJobSession, SessionID: id})
	return t.Tx.EndTrustSession(id)
}

// DeleteTrustRule implements store.Tx.
func (t *tx) DeleteTrustRule(id string) error {
	t.note(store.Revocation{What: store.RevokedTrust, RuleID: id})
	return t.Tx.DeleteTrustRule(id)
}

// RemoveMembership implements store.Tx.
func (t *tx) RemoveMembership(orgID, userID string) error {
	t.note(store.Revocation{What: store.RevokedMember, OrgID: orgID, UserID: userID})
	return t.Tx.RemoveMembership(orgID, userID)
}

// UpdateMembership implements store.Tx. Which role may less is the domain's to say, so that each change is logged.
func (t *tx) UpdateMembership(m store.Membership) error {
	t.note(store.Revocation{What: store.RevokedRole, OrgID: m.OrgID, UserID: m.UserID, Role: m.Role})
	return t.Tx.UpdateMembership(m)
}

// UpdateUser implements store.Tx.
func (t *tx) UpdateUser(u store.User) error {
	was, err := t.User(u.ID)
	if err != nil {
		return err
	}
	if was.Password != "" && was.Password != u.Password {
		t.note(store.Revocation{What: store.RevokedPassword, UserID: u.ID})
	}
	return t.Tx.UpdateUser(u)
}

// AddInvitation implements store.Tx. It closes earlier ones.
func (t *tx) AddInvitation(i store.NewInvitation) error {
	earlier, err := t.Invitations(i.OrgID, i.Email, i.CreatedAt)
	if err != nil {
		return err
	}
	for _, e := range earlier {
		if e.Kind == i.Kind && e.OrgID == i.OrgID && e.Email == i.Email {
			t.note(store.Revocation{What: store.RevokedInvitation, OrgID: e.OrgID, InvitationID: e.ID})
		}
	}
	return t.Tx.AddInvitation(i)
}

// CloseInvitation implements store.Tx.
func (t *tx) CloseInvitation(id string, at time.Time) error {
	t.note(store.Revocation{What: store.RevokedInvitation, InvitationID: id})
	return t.Tx.CloseInvitation(id, at)
}
