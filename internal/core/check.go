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

// Caller is who a presented key stands for, as far as a gateway needs it.
type Caller struct {
	Org       Org
	KeyID     string
	KeyName   string
	ExpiresAt time.Time // when the key, or the secret that was presented, ends; zero: never
	// SecretVersion is the version of the secret that was presented.
	SecretVersion int
	// Rate is what is left of the key's rate limit, once this request has passed.
	Rate Rate
}

// Admit says whose key was presented, and notes its use. It is the check that every request with a key goes through: one that
// begins after a key was disabled or deleted is refused. With org, a slug or an id, a key of another one is CodeForbidden.
//
// A missing, malformed, unknown or deleted key gets one and the same CodeUnauthenticated. Who holds the true secret of a
// disabled or expired key is told so: CodeKeyDisabled, CodeKeyExpired. CodeRateLimited: the key was used as often as it may be; that
// is no use of it. CodeTooManyTries in the place of CodeUnauthenticated: too many such keys came from from.Address. A valid key
// passes all the same, since those who send junk may share their address with those who don't.
func (s *Service) Admit(ctx context.Context, presented, org string, from Origin) (Caller, error) {
	return s.admit(ctx, presented, from, func(o Org) error {
		if org != "" && org != o.Slug && org != o.ID {
			return refusef(api.CodeForbidden, "use a key of that organisation", "the key is not one of the organisation %s", shown(org))
		}
		return nil
	})
}

// Verify is Admit for a program that was sent a key and asks with its own session whose it is. A key of an org in which the
// principal may not read keys is refused as an unknown one is. CodeForbidden: there is no org in which it may.
func (s *Service) Verify(ctx context.Context, p Principal, presented string, from Origin) (Caller, error) {
	readable, err := s.readable(ctx, p)
	if err != nil {
		return Caller{}, fmt.Errorf("verify a key: %w", err)
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

// CheckKey is Admit for a key of any org.
func (s *Service) CheckKey(ctx context.Context, presented string, from Origin) (Caller, error) {
	return s.Admit(ctx, presented, "", from)
}

// Self is all that there is to know of a key that was let in.
func (s *Service) Self(ctx context.Context, in Caller) (Key, error) {
	var out Key
	err := s.viewUse(ctx, func(tx store.Tx) error {
		row, err := tx.Key(in.Org.ID, in.KeyID)
		out = s.key(row, s.now())
		return err
	})
	if errors.Is(err, store.ErrNotFound) { // deleted since
		return Key{}, s.unknown
	}
	if err != nil {
		return Key{}, fmt.Errorf("read the key that was presented: %w", err)
	}
	return out, nil
}

// admit is the check; within refuses a key by its org.
func (s *Service) admit(ctx context.Context, presented string, from Origin, within func(Org) error) (_ Caller, err error) {
	defer func() { s.checks.count(err, s.unknown) }()
	parsed, err := secret.Parse(secret.Key, presented)
	if err != nil {
		return Caller{}, s.failed(from)
	}
	h, err := s.index.hold(ctx, parsed)
	if err != nil {
		return Caller{}, fmt.Errorf("look up a key: %w", err)
	}
	if h.state == holdUnknown || h.state == holdGone {
		return Caller{}, s.failed(from)
	}
	if err := within(*h.org); err != nil {
		return Caller{}, err
	}
	now := s.now()
	if err := h.refusal(now); err != nil {
		return Caller{}, err
	}
	var left Rate
	if h.rate != (store.RateLimit{}) {
		var passes bool
		if left, passes = s.rates.take(h.keyID, h.rate, now); !passes {
			return Caller{}, limited(h.name, left)
		}
	}
	s.usage.record(h.keyID, h.version, now, Origin{AddressPrefix: brief(from.AddressPrefix), Agent: brief(from.Agent)})
	if h.state == holdAwaited {
		s.sweep.nextUsed(h.keyID)
	}
	return Caller{Org: *h.org, KeyID: h.keyID, KeyName: h.name, ExpiresAt: h.ends(), SecretVersion: h.version, Rate: left}, nil
}

// failed is the answer to a key that opens nothing. Neither costs memory.
func (s *Service) failed(from Origin) error {
	if from.Address.IsValid() && s.failures.add(from.Address, s.now()) {
		return s.guessing
	}
	return s.unknown
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

// unknownKey is the one answer to a key that opens nothing. It is made once: who sends junk costs no memory.
func unknownKey() error {
	return refusef(api.CodeUnauthenticated, "", "no valid key was presented: it is missing, malformed, unknown or deleted")
}

// brief cuts what use tracking keeps of a caller: it lies in memory once for each key in use.
func brief(s string) string {
	const most = 64
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
