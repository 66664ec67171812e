package core

import (
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// hold is what a check needs to know of a secret. There may be a million: it takes 64 bytes and its text.
type hold struct {
	org      *Org
	text     string   // the id of the key, then its name
	ends     *ends    // nil: never
	rest     [24]byte // of the digest, behind its head
	version  int32    // of the secret
	idLen    uint8
	disabled bool
	state    holdState
}

// ends are the times at which a hold ends; zero: never.
type ends struct{ key, secret time.Time }

type holdState uint8

const (
	holdOpens   holdState = iota
	holdAwaited           // it is the next one of a rotation, which may wait for its use
	holdRetired
	holdGone // it opens nothing and never will
)

// holdOf is what a check needs of a holder.
func holdOf(h store.Holder, digest [32]byte) *hold {
	v, known := presentedSecret(h)
	org := orgOf(h.Org)
	out := &hold{
		org: &org, text: h.Key.ID + h.Key.Name, rest: [24]byte(digest[8:]), disabled: h.Key.Disabled,
		version: int32(h.Version), idLen: uint8(len(h.Key.ID)), //nolint:gosec // versions count from 1, ids are ours and short
	}
	if e := (ends{h.Key.ExpiresAt, v.ExpiresAt}); e != (ends{}) {
		out.ends = &e
	}
	switch {
	case !known || !h.Key.DeletedAt.IsZero():
		out.state = holdGone
	case v.State == store.StateRetired:
		out.state = holdRetired
	case v.State == store.StateNext:
		out.state = holdAwaited
	}
	return out
}

// is says that the hold is of this digest: its head is known to be.
func (h *hold) is(digest [32]byte) bool { return h.rest == [24]byte(digest[8:]) }

func (h *hold) keyID() string { return h.text[:h.idLen] }

func (h *hold) name() string { return h.text[h.idLen:] }

// refusal says why a secret that is known is refused at now.
func (h *hold) refusal(now time.Time) error {
	var e ends
	if h.ends != nil {
		e = *h.ends
	}
	switch {
	case h.disabled:
		return refusef(api.CodeKeyDisabled, "enable the key or use another", "the key %s is disabled", shown(h.name()))
	case past(e.key, now):
		return refusef(api.CodeKeyExpired, "move the key's expiry or use another key",
			"the key %s expired at %s", shown(h.name()), e.key.Format(time.RFC3339))
	case h.state == holdRetired || past(e.secret, now): // a clock that was set back retires nothing less
		return refusef(api.CodeKeyExpired, "use the key's current secret",
			"this secret of the key %s ended at %s", shown(h.name()), e.secret.Format(time.RFC3339))
	}
	return nil
}

// endsAt is when the secret opens nothing any more; zero: not by itself.
func (h *hold) endsAt() time.Time {
	if h.ends == nil {
		return time.Time{}
	}
	if key, secret := h.ends.key, h.ends.secret; key.IsZero() || !secret.IsZero() && secret.Before(key) {
		return secret
	}
	return h.ends.key
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
