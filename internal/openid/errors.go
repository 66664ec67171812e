package openid

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

var (
	errRedirect = errors.New("it answered with a redirect, and none is followed")
	errTooLarge = fmt.Errorf("it answered with more than %d bytes", maxAnswer)
	errTimeout  = errors.New("it took too long")
	errClosed   = errors.New("the connection was closed before the answer ended")
	errUnknown  = errors.New("it could not be reached")
	errForm     = errors.New("it answered with something else than the JSON that is asked for")
)

// refuse makes a *core.Error and, for the log, wraps it in a text that holds the fix and the cause as well.
func refuse(code api.Code, fix string, cause error, format string, args ...any) error {
	known := &core.Error{Code: code, Detail: fmt.Sprintf(format, args...), Fix: fix}
	if cause == nil {
		return fmt.Errorf("%w; %s", known, fix)
	}
	return fmt.Errorf("%w: %w; %s", known, cause, fix)
}

// unavailable says that the provider did not do its part: it is down, or not as this service was told.
func (p *Provider) unavailable(cause error, format string, args ...any) error {
	return refuse(api.CodeUnavailable, "try again; if that does not help, have the operator look at the service's log and at the provider",
		cause, "the sign-in at %s failed: %s", p.Name(), fmt.Sprintf(format, args...))
}

// refused says that what the provider answered proves nothing.
func (p *Provider) refused(cause error, format string, args ...any) error {
	return refuse(api.CodeForbidden, "sign in again; if that does not help, have the operator look at the service's log and at the provider",
		cause, "what %s answered does not prove who signed in: %s", p.Name(), fmt.Sprintf(format, args...))
}

// statusError is an answer of another status than the one that was asked for.
func statusError(status int) error {
	return errors.New(strings.TrimSpace("it answered " + strconv.Itoa(status) + " " + http.StatusText(status)))
}

// reason turns what net/http and the libraries on it report into one that can repeat no answer, code or token.
func reason(err error) error {
	var (
		timeout interface{ Timeout() bool }
		network *net.OpError
		cert    *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errTimeout
	case errors.Is(err, errRedirect):
		return errRedirect
	case errors.Is(err, errTooLarge):
		return errTooLarge
	case errors.As(err, &network):
		return network
	case errors.As(err, &cert):
		return cert
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errClosed
	}
	return errUnknown
}

// errorName is the error code of an OAuth answer, which is a word (RFC 6749 §5.2); empty for anything else.
func errorName(code string) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789_.-"
	if len(code) > 64 || strings.Trim(code, letters) != "" {
		return ""
	}
	return code
}
