package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	devicePath = "/device" // the page where a user enters a code

	clientMax = 64  // characters of what a client says of itself
	paramMax  = 256 // characters of all else
)

// startDevice begins a device grant (RFC 8628 §3.1).
func (s *Server) startDevice(w http.ResponseWriter, r *http.Request, f *form) error {
	client := core.Client{Name: f.clientID(), Host: f.text("host_name", clientMax)}
	if client.Name == "" {
		f.refuse("client_id", "is missing")
	}
	if f.err != nil {
		return f.err
	}
	var from string
	if ip := ClientAddress(r); ip.IsValid() {
		from = ip.String()
	}
	grant, err := s.Core.StartDevice(r.Context(), client, from)
	if err != nil {
		return err
	}
	page := s.PublicURL.JoinPath(devicePath)
	filled := *page
	filled.RawQuery = url.Values{"code": {grant.UserCode}}.Encode()
	return writeJSON(w, http.StatusOK, api.DeviceCode{
		DeviceCode: grant.DeviceCode, UserCode: grant.UserCode,
		VerificationURI: page.String(), VerificationURIComplete: filled.String(),
		ExpiresIn: int64(grant.Lifetime / time.Second), Interval: int64(grant.Interval / time.Second),
	})
}

// pollDevice gives the session of a device grant that a user has approved (RFC 8628 §3.4).
func (s *Server) pollDevice(w http.ResponseWriter, r *http.Request, f *form) error {
	grant, code := f.required("grant_type", paramMax), f.text("device_code", paramMax)
	f.clientID() // who holds the device code is the client
	if f.err == nil && grant != api.DeviceGrantType {
		return &oauthError{api.OAuthUnsupported, "grant_type must be " + api.DeviceGrantType}
	}
	if code == "" {
		f.refuse("device_code", "is missing")
	}
	if f.err != nil {
		return f.err
	}
	signedIn, err := s.Core.PollDevice(r.Context(), code)
	if err != nil {
		return err
	}
	w.Header().Set("Pragma", "no-cache") // RFC 6749 §5.1
	return writeJSON(w, http.StatusOK, api.AccessToken{
		AccessToken: signedIn.Token.Reveal(), TokenType: "Bearer",
		ExpiresIn: int64(core.IdleLimit / time.Second), // from its first use on, which moves it
	})
}

// clientID returns what the program calls itself, in the characters of RFC 6749 appendix A.1.
func (f *form) clientID() string {
	id := f.text("client_id", clientMax)
	if strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c > '~' }) {
		f.refuse("client_id", "must be printable ASCII characters")
	}
	return id
}

// oauth makes an operation of the device grant: it takes a form and no credential, and answers what it refuses as OAuth has
// it. What every route refuses (a foreign Host or Origin, a body that is too large) and faults of the service are problems
// here, too.
func (s *Server) oauth(h func(http.ResponseWriter, *http.Request, *form) error) access {
	handle := withBody(func(w http.ResponseWriter, r *http.Request) error {
		f, err := readForm(r)
		if err != nil {
			return err
		}
		return h(w, r, f)
	})
	return access{authNone, func(w http.ResponseWriter, r *http.Request) error {
		err := handle(w, r)
		known, isOAuth := errors.AsType[*oauthError](asOAuth(err))
		if !isOAuth {
			return err
		}
		status := http.StatusBadRequest
		if refusal, ok := errors.AsType[*core.Error](err); ok && refusal.Code == api.CodeTooManyTries {
			status = http.StatusTooManyRequests
			w.Header().Set("Retry-After", retryAfter(refusal))
		}
		return writeJSON(w, status, api.OAuthError{Code: known.code, Description: descriptive(known.detail)})
	}}
}

// oauthError is a refusal in the terms of RFC 6749 §5.2 and RFC 8628 §3.5.
type oauthError struct {
	code   api.OAuthCode
	detail string
}

func (e *oauthError) Error() string { return e.detail }

// asOAuth returns err as an oauthError, where OAuth has a code for it.
func asOAuth(err error) error {
	refusal, _ := errors.AsType[*core.Error](err)
	switch {
	case errors.Is(err, core.ErrDevicePending):
		return &oauthError{api.OAuthPending, "the user has not decided yet"}
	case errors.Is(err, core.ErrDeviceSlowDown):
		return &oauthError{api.OAuthSlowDown, "polled too soon; wait five seconds longer from now on"}
	case errors.Is(err, core.ErrDeviceDenied):
		return &oauthError{api.OAuthDenied, "the user has denied it"}
	case errors.Is(err, core.ErrDeviceExpired):
		return &oauthError{api.OAuthExpired, "the device code is unknown, used or expired; begin again"}
	case refusal == nil:
		return err
	case refusal.Code == api.CodeInvalidRequest:
		return &oauthError{api.OAuthInvalid, refusal.Detail}
	case refusal.Code == api.CodeTooManyTries:
		return &oauthError{api.OAuthUnavailable, refusal.Detail}
	default:
		return err
	}
}

// descriptive keeps to the characters of an error_description (RFC 6749 §5.2): printable ASCII without quotes and backslashes.
func descriptive(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"' || c == '\\':
			return '\''
		case c < ' ' || c > '~':
			return '?'
		default:
			return c
		}
	}, text)
}
