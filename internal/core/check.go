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

// CheckKey says which key was presented, and notes its use. It is the check that every request with a key goes through,
// and it asks the store each time: a key that was disabled or deleted before the call is refused.
//
// A missing, malformed, unknown or deleted key gets one and the same CodeUnauthenticated. Who holds the true secret of a
// disabled or expired key is told so: CodeKeyDisabled, CodeKeyExpired.
func (s *Service) CheckKey(ctx context.Context, presented string, from Origin) (Caller, error) {
	parsed, err := secret.Parse(secret.Key, presented)
	if err != nil {
		return Caller{}, noKey()
	}
	var h store.Holder
	err = s.view(ctx, func(tx store.Tx) (err error) {
		h, err = holder(tx, parsed.Digest(s.keys.Pepper[:]))
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Caller{}, fmt.Errorf("look up a key: %w", err)
	}
	now := s.now()
	if err := refusal(h, now); err != nil {
		return Caller{}, err
	}
	s.usage.record(h.Key.ID, h.Version, now, Origin{AddressPrefix: brief(from.AddressPrefix), Agent: brief(from.Agent)})
	return Caller{Org: orgOf(h.Org), Key: s.key(h.Key, now), SecretVersion: h.Version}, nil
}

// refusal says why the holder of a secret is refused; the empty Holder is that of an unknown secret.
func refusal(h store.Holder, now time.Time) error {
	v, ok := presentedSecret(h)
	switch {
	case !ok || !h.Key.DeletedAt.IsZero():
		return noKey()
	case h.Key.Disabled:
		return refusef(api.CodeKeyDisabled, "enable the key or use another", "the key %s is disabled", shown(h.Key.Name))
	case past(h.Key.ExpiresAt, now):
		return refusef(api.CodeKeyExpired, "move the key's expiry or use another key",
			"the key %s expired at %s", shown(h.Key.Name), h.Key.ExpiresAt.Format(time.RFC3339))
	case v.State == store.StateRetired || past(v.ExpiresAt, now): // a clock that was set back retires nothing less
		return refusef(api.CodeKeyExpired, "use the key's current secret",
			"this secret of the key %s ended at %s", shown(h.Key.Name), v.ExpiresAt.Format(time.RFC3339))
	}
	return nil
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

func noKey() error {
	return refusef(api.CodeUnauthenticated, "", "no valid key was presented: it is missing, malformed, unknown or deleted")
}

// brief cuts what use tracking keeps of a caller: it lies in memory once for each key in use.
func brief(s string) string {
	const most = 64
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
