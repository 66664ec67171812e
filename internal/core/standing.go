package core

import (
	"context"
	"fmt"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Standing stands for a secret that was presented, so that it can be asked about again. It holds the secret, since its digest is
// another once the pepper is.
type Standing struct{ secret secret.Secret }

// Standing returns that of a presented key. CodeUnauthenticated: it is malformed.
func (s *Service) Standing(presented string) (Standing, error) {
	parsed, err := secret.Parse(secret.Key, presented)
	if err != nil {
		return Standing{}, s.unknown
	}
	return Standing{parsed}, nil
}

// StillAdmits says whether Admit would let the secret in now: with refused, why not; with err, that it could not be found out. It
// is no use of the key.
func (s *Service) StillAdmits(ctx context.Context, of Standing) (refused, err error) {
	h, err := s.index.hold(ctx, of.secret)
	switch {
	case err != nil:
		return nil, fmt.Errorf("look up a key again: %w", err)
	case h.state == holdUnknown || h.state == holdGone:
		return refusef(api.CodeUnauthenticated, "", "the key was deleted"), nil
	}
	return h.refusal(s.now()), nil
}
