// Package keysource finds the current secret of one key, for programs that connect with that key for months: first the kept copy,
// which the service is asked about each time, then the service itself. A rotation needs no edit anywhere.
//
// It must not know where secrets are kept, how the service is reached, or what its findings are used for.
package keysource

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// checkTimeout is how long the service may take to say whether a kept secret is current.
const checkTimeout = 2 * time.Second

// Source knows one key.
type Source struct {
	// Key is the key's id.
	Key string
	// Self asks the service about a secret, with the secret itself.
	Self func(context.Context, secret.Secret) (api.Self, error)
	// Reveal gets the current secret with the user's session.
	Reveal func(context.Context) (api.Key, secret.Secret, error)
	// Kept and Keep read and write the kept copy; nil: none is kept. An error of Kept is as good as no copy.
	Kept func(context.Context) (secret.Secret, error)
	Keep func(context.Context, secret.Secret) error
	// Note tells a person in one line what went otherwise than it should without being a failure.
	Note func(format string, args ...any)
}

// Found is a secret to connect with.
type Found struct {
	Secret secret.Secret
	// Self is what the service said of the secret; nil: it was not asked, or could not be.
	Self *api.Self
}

// NotUsableError says that the key opens nothing now.
type NotUsableError struct {
	// Name and Status are those of the key.
	Name   string
	Status api.KeyStatus
}

// Error names the key and its status.
func (e *NotUsableError) Error() string { return "the key " + e.Name + " is " + string(e.Status) }

// Secret returns the key's current secret. A kept secret that still works is better than an error: it is returned, with a note, when
// the service can't be asked, and when the current one can't be had. Errors are *NotUsableError and those of Reveal.
func (s *Source) Secret(ctx context.Context) (Found, error) {
	kept, verdict := s.kept(ctx)
	switch {
	case kept.Secret.IsZero():
		return s.reveal(ctx)
	case verdict == nil:
		return kept, nil
	case isAway(verdict):
		s.Note("note: the service could not be asked about the key (%v); its last known secret is used", verdict)
		return kept, nil
	case is(verdict, api.CodeKeyDisabled):
		return Found{}, verdict
	}
	current, err := s.reveal(ctx)
	var unusable *NotUsableError
	if err != nil && kept.Self != nil && !errors.As(err, &unusable) {
		s.Note("note: the key's secret is being replaced, and the current one could not be had (%v); the one before it is used", err)
		return kept, nil
	}
	return current, err
}

// errReplaced says that the service takes the kept secret, but that it is not the current one.
var errReplaced = errors.New("the kept secret is not the current one")

// kept returns the kept secret and what speaks against it. Its Self is set if the service takes it for this key's.
func (s *Source) kept(ctx context.Context) (Found, error) {
	if s.Kept == nil {
		return Found{}, nil
	}
	found, err := s.Kept(ctx)
	if err != nil || found.IsZero() {
		return Found{}, nil // what can't be read is asked for
	}
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	self, err := s.Self(limited, found)
	switch {
	case err != nil:
		return Found{Secret: found}, err
	case self.Key.ID != s.Key:
		return Found{}, nil
	case self.Secret.State != api.SecretCurrent:
		return Found{Secret: found, Self: &self}, errReplaced
	}
	return Found{Secret: found, Self: &self}, nil
}

// reveal gets the secret from the service and keeps it.
func (s *Source) reveal(ctx context.Context) (Found, error) {
	key, current, err := s.Reveal(ctx)
	if err != nil {
		return Found{}, err
	}
	if key.Status != api.StatusEnabled {
		return Found{}, &NotUsableError{key.Name, key.Status}
	}
	if s.Keep != nil {
		if err := s.Keep(ctx, current); err != nil {
			s.Note("note: the secret is not kept on this machine: %v", err)
		}
	}
	return Found{Secret: current}, nil
}

// isAway says that the service gave no judgement.
func isAway(err error) bool {
	var unreachable *client.UnreachableError
	var answered *client.Error
	switch {
	case errors.As(err, &unreachable):
		return true
	case errors.As(err, &answered):
		return answered.Status >= http.StatusInternalServerError || answered.Status == http.StatusTooManyRequests || answered.Code == client.CodeOddAnswer
	}
	return false
}

func is(err error, code api.Code) bool {
	answered, ok := errors.AsType[*client.Error](err)
	return ok && answered.Code == code
}
