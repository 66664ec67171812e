package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Admitted is who a presented key stands for, as far as a gateway needs it.
type Admitted struct {
	Org       Org
	KeyID     string
	KeyName   string
	ExpiresAt time.Time // when the key, or the secret that was presented, ends; zero: never
	// SecretVersion is the version of the secret that was presented.
	SecretVersion int
}

// Admit says whose key was presented, and notes its use. It is the check that every request with a key goes through: one that
// begins after a key was disabled or deleted is refused. With org, a slug or an id, a key of another one is CodeForbidden.
//
// A missing, malformed, unknown or deleted key gets one and the same CodeUnauthenticated. Who holds the true secret of a
// disabled or expired key is told so: CodeKeyDisabled, CodeKeyExpired.
func (s *Service) Admit(ctx context.Context, presented, org string, from Origin) (Admitted, error) {
	return s.admit(ctx, presented, from, func(o Org) error {
		if org != "" && org != o.Slug && org != o.ID {
			return refusef(api.CodeForbidden, "use a key of that organisation", "the key is not one of the organisation %s", shown(org))
		}
		return nil
	})
}

// Verify is Admit for a program that was sent a key and asks with its own session whose it is. A key of an org in which the
// principal may not read keys is refused as an unknown one is. CodeForbidden: there is no org in which it may.
func (s *Service) Verify(ctx context.Context, p Principal, presented string, from Origin) (Admitted, error) {
	readable, err := s.readable(ctx, p)
	if err != nil {
		return Admitted{}, fmt.Errorf("verify a key: %w", err)
	}
	return s.admit(ctx, presented, from, func(o Org) error {
		if !slices.Contains(readable, o.ID) {
			return s.unknown
		}
		return nil
	})
}

// readable returns the ids of the orgs in which the principal may read keys; there is one at least.
func (s *Service) readable(ctx context.Context, p Principal) (ids []string, err error) {
	err = s.view(ctx, func(tx store.Tx) error {
		of, err := tx.MembershipsOf(p.User.ID)
		if err != nil {
			return err
		}
		var refusal error = refusef(api.CodeForbidden, "", "you are in no organisation")
		for _, m := range of {
			switch _, err := access(tx, p, m.Org.ID, api.KeysRead); {
			case err == nil:
				ids = append(ids, m.Org.ID)
			case isCode(err, api.CodeForbidden):
				refusal = err
			case !isCode(err, api.CodeOrgNotFound): // a token is for one of them
				return err
			}
		}
		if len(ids) == 0 {
			return refusal
		}
		return nil
	})
	return ids, err
}

// CheckKey is Admit, and tells all of the key.
func (s *Service) CheckKey(ctx context.Context, presented string, from Origin) (Caller, error) {
	in, err := s.Admit(ctx, presented, "", from)
	if err != nil {
		return Caller{}, err
	}
	var row store.Key
	err = s.view(ctx, func(tx store.Tx) (err error) {
		row, err = tx.Key(in.Org.ID, in.KeyID)
		return err
	})
	if errors.Is(err, store.ErrNotFound) { // deleted since
		return Caller{}, s.unknown
	}
	if err != nil {
		return Caller{}, fmt.Errorf("read the key that was presented: %w", err)
	}
	return Caller{Org: in.Org, Key: s.key(row, s.now()), SecretVersion: in.SecretVersion}, nil
}

// admit is the check; within refuses a key by its org.
func (s *Service) admit(ctx context.Context, presented string, from Origin, within func(Org) error) (Admitted, error) {
	parsed, err := secret.Parse(secret.Key, presented)
	if err != nil {
		return Admitted{}, s.unknown
	}
	h, err := s.index.hold(ctx, s.digests.Digest(parsed))
	if err != nil {
		return Admitted{}, fmt.Errorf("look up a key: %w", err)
	}
	if h == nil {
		return Admitted{}, s.unknown
	}
	if err := within(*h.org); err != nil {
		return Admitted{}, err
	}
	now := s.now()
	if err := h.refusal(now); err != nil {
		return Admitted{}, err
	}
	s.usage.record(h.keyID, h.version, now, Origin{AddressPrefix: brief(from.AddressPrefix), Agent: brief(from.Agent)})
	if h.awaited {
		s.sweep.nextUsed(h.keyID)
	}
	return Admitted{Org: *h.org, KeyID: h.keyID, KeyName: h.name, ExpiresAt: h.ends(), SecretVersion: h.version}, nil
}

// hold is what a check needs to know of a secret. The key is not deleted.
type hold struct {
	org        *Org
	keyID      string
	name       string
	disabled   bool
	retired    bool
	awaited    bool      // it is the next one of a rotation, which may wait for its use
	version    int       // of the secret
	keyEnds    time.Time // zero: never
	secretEnds time.Time // zero: never

	digest [32]byte // these two belong to the index
	next   *hold
}

// refusal says why a secret that is known is refused at now.
func (h *hold) refusal(now time.Time) error {
	switch {
	case h.disabled:
		return refusef(api.CodeKeyDisabled, "enable the key or use another", "the key %s is disabled", shown(h.name))
	case past(h.keyEnds, now):
		return refusef(api.CodeKeyExpired, "move the key's expiry or use another key",
			"the key %s expired at %s", shown(h.name), h.keyEnds.Format(time.RFC3339))
	case h.retired || past(h.secretEnds, now): // a clock that was set back retires nothing less
		return refusef(api.CodeKeyExpired, "use the key's current secret",
			"this secret of the key %s ended at %s", shown(h.name), h.secretEnds.Format(time.RFC3339))
	}
	return nil
}

// ends is when the secret opens nothing any more; zero: not by itself.
func (h *hold) ends() time.Time {
	if h.keyEnds.IsZero() || !h.secretEnds.IsZero() && h.secretEnds.Before(h.keyEnds) {
		return h.secretEnds
	}
	return h.keyEnds
}

// holdOf is what a check needs of a holder, nil if the secret opens nothing and never will.
func holdOf(h store.Holder) *hold {
	v, ok := presentedSecret(h)
	if !ok || !h.Key.DeletedAt.IsZero() {
		return nil
	}
	org := orgOf(h.Org)
	return &hold{
		org: &org, keyID: h.Key.ID, name: h.Key.Name, disabled: h.Key.Disabled, keyEnds: h.Key.ExpiresAt,
		version: h.Version, retired: v.State == store.StateRetired, awaited: v.State == store.StateNext, secretEnds: v.ExpiresAt,
	}
}

// holder returns the key that the secret with this digest is of. A retired secret is among its secrets, too, if it was presented.
func holder(tx store.Tx, digest [32]byte) (store.Holder, error) {
	h, err := tx.KeyByDigest(digest)
	if !errors.Is(err, store.ErrNotFound) {
		return h, err
	}
	h, retired, err := tx.RetiredByDigest(digest)
	if err == nil {
		h.Key.Secrets = append(h.Key.Secrets, retired)
	}
	return h, err
}

// presentedSecret returns the version that was presented, if it is in a known state.
func presentedSecret(h store.Holder) (store.Secret, bool) {
	for _, v := range h.Key.Secrets {
		if v.Version == h.Version {
			known := []string{store.StateCurrent, store.StateNext, store.StateRetiring, store.StateRetired}
			return v, slices.Contains(known, v.State)
		}
	}
	return store.Secret{}, false
}

// unknownKey is the one answer to a key that opens nothing. It is made once: who sends junk costs no memory.
func unknownKey() error {
	return refusef(api.CodeUnauthenticated, "", "no valid key was presented: it is missing, malformed, unknown or deleted")
}

// brief cuts what use tracking keeps of a caller: it lies in memory once for each key in use.
func brief(s string) string {
	const most = 64
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
