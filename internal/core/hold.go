package core

import (
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// hold is what a check needs to know of a secret.
type hold struct {
	org        *Org
	keyID      string
	name       string
	version    int // of the secret
	disabled   bool
	state      holdState
	keyEnds    time.Time       // zero: never
	secretEnds time.Time       // zero: never
	rate       store.RateLimit // zero: none
}

type holdState uint8

const (
	holdUnknown holdState = iota // there is no such secret
	holdGone                     // it opens nothing and never will
	holdOpens
	holdAwaited // it is the next one of a rotation, which may wait for its use
	holdRetired
)

// holdOf is what a check needs of a holder.
func holdOf(h store.Holder) hold {
	v, known := presentedSecret(h)
	org := orgOf(h.Org)
	out := hold{
		org: &org, keyID: h.Key.ID, name: h.Key.Name, version: h.Version, disabled: h.Key.Disabled, state: holdOpens,
		keyEnds: h.Key.ExpiresAt, secretEnds: v.ExpiresAt, rate: h.Key.Rate,
	}
	switch {
	case !known || !h.Key.DeletedAt.IsZero() || checkRate(wireRate(h.Key.Rate)) != nil: // of a damaged row nothing is known
		out.state = holdGone
	case v.State == store.StateRetired:
		out.state = holdRetired
	case v.State == store.StateNext:
		out.state = holdAwaited
	}
	return out
}

// refusal says why a secret that is known is refused at now.
func (h *hold) refusal(now time.Time) error {
	switch {
	case h.disabled:
		return refusef(api.CodeKeyDisabled, "enable the key or use another", "the key %s is disabled", shown(h.name))
	case past(h.keyEnds, now):
		return refusef(api.CodeKeyExpired, "move the key's expiry or use another key",
			"the key %s expired at %s", shown(h.name), h.keyEnds.Format(time.RFC3339))
	case h.state == holdRetired || past(h.secretEnds, now): // a clock that was set back retires nothing less
		return refusef(api.CodeKeyExpired, "use the key's current secret",
			"this secret of the key %s ended at %s", shown(h.name), h.secretEnds.Format(time.RFC3339))
	}
	return nil
}

// ends is when the secret opens nothing any more; zero: not by itself.
func (h *hold) ends() time.Time { return store.Sooner(h.keyEnds, h.secretEnds) }

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
