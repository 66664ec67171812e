package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// errNoCredential marks the failures where none of the accepted kind was presented; RFC 6750 §3.1 wants the challenge
// without an error code then.
var errNoCredential = errors.New("no credential")

const (
	fixSession = "send a session token: Authorization: Bearer kfs_…"
	fixKey     = "send a key: Authorization: Bearer kf_… or X-API-Key: kf_…"
)

// sessionToken returns the session token of the request: the bearer token, nothing else.
func sessionToken(r *http.Request) (string, error) {
	token, err := bearer(r, fixSession)
	if err != nil {
		return "", err
	}
	if token == "" {
		return "", missing("the request has no session token", fixSession)
	}
	if strings.HasPrefix(token, string(secret.Key)) {
		return "", refused("a key was sent where a session token is needed", fixSession)
	}
	return token, nil
}

// headerKey returns the key that the request presents in a header.
func headerKey(r *http.Request) (string, error) {
	return oneKey(r, "")
}

// headerOrQueryKey also accepts the query parameter api_key, for clients that can't send a header. A URL ends up in
// logs and histories: only /mcp takes keys this way.
func headerOrQueryKey(r *http.Request) (string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", invalid("the query of the URL can't be read") // its text may hold a key
	}
	values := query["api_key"]
	if len(values) > 1 {
		return "", invalid("the query parameter api_key is given more than once")
	}
	return oneKey(r, query.Get("api_key"))
}

// oneKey returns the key that the request presents, in whichever places: they must agree.
func oneKey(r *http.Request, fromQuery string) (string, error) {
	fromBearer, err := bearer(r, fixKey)
	if err != nil {
		return "", err
	}
	fromHeader, err := single(r.Header["X-Api-Key"], "X-API-Key") // in its canonical form: X-API-Key is none
	if err != nil {
		return "", err
	}
	var key string
	for _, candidate := range [...]string{fromBearer, fromHeader, fromQuery} {
		if candidate == "" {
			continue
		}
		if key != "" && key != candidate {
			return "", invalid("the request holds two different keys; send one")
		}
		key = candidate
	}
	if key == "" {
		return "", missing("the request has no key", fixKey)
	}
	if strings.HasPrefix(key, string(secret.Session)) {
		return "", refused("a session token was sent where a key is needed", fixKey)
	}
	return key, nil
}

// bearer returns the token of the Authorization header (RFC 6750 §2.1), empty if there is none.
func bearer(r *http.Request, fix string) (string, error) {
	value, err := single(r.Header["Authorization"], "Authorization")
	if err != nil || value == "" {
		return "", err
	}
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", missing("the Authorization header does not use the Bearer scheme", fix)
	}
	token = strings.Trim(token, " ")
	if token == "" || strings.ContainsAny(token, " \t") {
		return "", refused("the Authorization header is not of the form: Bearer, a space, the credential", fix)
	}
	return token, nil
}

// single returns the value of a header that may be there once. A comma is how proxies join repeated headers, and no
// credential has one.
func single(values []string, name string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || strings.Contains(values[0], ",") {
		return "", invalid("the header " + name + " holds more than one credential")
	}
	return strings.TrimSpace(values[0]), nil
}

func missing(detail, fix string) error {
	return fmt.Errorf("%w: %w", errNoCredential, refused(detail, fix))
}

func refused(detail, fix string) error {
	return &core.Error{Code: api.CodeUnauthenticated, Detail: detail, Fix: fix}
}

func invalid(detail string) error {
	return &core.Error{Code: api.CodeInvalidRequest, Detail: detail}
}
