package core

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Error is a refusal that the caller can do something about. Any other error of this package is a fault of the service.
type Error struct {
	Code   api.Code
	Detail string // names the input and the reason; never a secret
	Fix    string // what to do next; may be empty

	// LastUsedAt and Calls24h come with api.CodeKeyRecentlyUsed.
	LastUsedAt time.Time
	Calls24h   int64
	// RetryAfter comes with api.CodeTooManyTries and api.CodeRateLimited: until then every try is refused.
	RetryAfter time.Duration
	// Rate comes with api.CodeRateLimited.
	Rate Rate

	err error
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the cause, where there is one.
func (e *Error) Unwrap() error { return e.err }

// refusef makes an Error.
func refusef(code api.Code, fix, format string, args ...any) *Error {
	return &Error{Code: code, Fix: fix, Detail: fmt.Sprintf(format, args...)}
}

func invalidf(format string, args ...any) *Error {
	return refusef(api.CodeInvalidRequest, "", format, args...)
}

// isCode says whether err is a refusal of the code.
func isCode(err error, code api.Code) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Code == code
}

// fault turns what the store can't do now into a refusal; every other error stays what it is.
func (s *Service) fault(err error) error {
	switch {
	case errors.Is(err, store.ErrBusy):
		return &Error{Code: api.CodeUnavailable, Detail: "the store is busy", Fix: "try again", err: err}
	case errors.Is(err, store.ErrUnknown):
		return &Error{
			Code: api.CodeUnavailable, Detail: "the store did not say whether the change was kept",
			Fix: "make it again, with the same Idempotency-Key if it has one", err: err,
		}
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrUnreachable), errors.Is(err, store.ErrReadOnly), errors.Is(err, store.ErrRefused),
		errors.Is(err, store.ErrUnfit):
		s.pinged.forget()
		return &Error{
			Code: api.CodeUnavailable, Detail: "the store can't be read and written", Fix: "try again; the service's log says more", err: err,
		}
	case errors.Is(err, ErrMaterial):
		return &Error{
			Code: api.CodeUnavailable, Detail: "the service lacks a key file that the store needs", Fix: "the service's log says which", err: err,
		}
	}
	return err
}

// shown is s as an error may show it: quoted, cut, and never a secret, which people do paste into the wrong field.
func shown(s string) string {
	const most = 80
	if holdsSecret(s) {
		return "(a secret)"
	}
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

// holdsSecret says whether s holds a secret or a large part of one.
func holdsSecret(s string) bool {
	const part = 20 // of 38 characters
	s = strings.ToLower(s)
	for {
		_, after, found := strings.Cut(s, "kf")
		if !found {
			return false
		}
		s = after
		after = strings.TrimPrefix(after, "s")
		if body, ok := strings.CutPrefix(after, "_"); ok && len(body)-len(strings.TrimLeft(body, "0123456789abcdefghijklmnopqrstuvwxyz")) >= part {
			return true
		}
	}
}
