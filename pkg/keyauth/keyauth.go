// Package keyauth guards a Go API with the keys of a Keyfob service: net/http middleware that asks the service about each request's
// key before the API sees it.
//
// It fails closed: a request whose key can't be checked, for whatever reason, is answered 503. Nothing is cached, so that a key that
// was disabled is refused from the next request on; a check is one round trip on a kept connection. The package must not know how
// keys are made or managed; that is pkg/client's.
package keyauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	defaultTimeout = 2 * time.Second
	maxHeader      = 16 << 10 // of an answer, in bytes
	maxProblem     = 16 << 10
	idleConns      = 64
)

// Config says which service to ask.
type Config struct {
	// URL is the service's origin: https, or http on a loopback address.
	URL string
	// Org is the slug of the organisation whose keys are let in. Empty: those of every organisation of the service, which suits
	// an API whose customers are organisations of their own and that looks at Identity.Org.
	Org string
	// Timeout bounds a check, from dialling to the answer; 0 is 2 s.
	Timeout time.Duration
	// Transport makes the requests; nil is one with connections of its own. It must not follow redirects.
	Transport http.RoundTripper
}

// Identity is whose key came with a request.
type Identity struct {
	Org     string // the organisation's slug
	KeyID   string // key_…
	KeyName string
}

// Guard asks one service. It is safe for concurrent use.
type Guard struct {
	ask       string // URL
	org       string
	timeout   time.Duration
	transport http.RoundTripper
}

// New returns a guard; it makes no request.
func New(cfg Config) (*Guard, error) {
	base, err := origin(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout < 0 {
		return nil, errors.New("keyauth: the timeout is negative")
	}
	ask := base.JoinPath("v1", "authz")
	if cfg.Org != "" {
		ask.RawQuery = url.Values{"org": {cfg.Org}}.Encode()
	}
	g := &Guard{ask: ask.String(), org: cfg.Org, timeout: cfg.Timeout, transport: cfg.Transport}
	if g.timeout == 0 {
		g.timeout = defaultTimeout
	}
	if g.transport == nil {
		g.transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: maxHeader,
		}
	}
	return g, nil
}

// origin takes the service's URL; its errors hold no part of it that may be a credential.
func origin(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errors.New("keyauth: the URL must be an origin, such as https://keys.example.com")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return nil, fmt.Errorf("keyauth: the URL of %s must be https: keys go there", u.Hostname())
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

type identityKey struct{}

// FromContext returns whose key came with the request; ok is false where no Guard let it in.
func FromContext(ctx context.Context) (who Identity, ok bool) {
	who, ok = ctx.Value(identityKey{}).(Identity)
	return who, ok
}

// Require lets a request through to next if it brings a valid key, as Authorization: Bearer or X-API-Key; FromContext then says
// whose. Else it answers 401, 403 (a key of another organisation), 429 (used as often as it may be) or 503 with an RFC 9457 problem.
// What the client itself sent as Keyfob-Org, Keyfob-Key-Id or Keyfob-Key-Name is taken out. If the key has a rate limit, answers have
// the service's RateLimit and RateLimit-Policy headers.
func (g *Guard) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, refusal := g.check(w.Header(), r)
		if refusal != nil {
			refusal.write(w)
			return
		}
		in := r.WithContext(context.WithValue(r.Context(), identityKey{}, who))
		in.Header = r.Header.Clone()
		for _, name := range []string{api.HeaderOrg, api.HeaderKeyID, api.HeaderKeyName} {
			in.Header.Del(name)
		}
		next.ServeHTTP(w, in)
	})
}

// check asks the service about the key of a request; out are the headers of its answer.
func (g *Guard) check(out http.Header, r *http.Request) (Identity, *refusal) {
	if refused := hopeless(r.Header); refused != nil {
		return Identity{}, refused
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.ask, http.NoBody)
	if err != nil {
		return Identity{}, unavailable()
	}
	// All that may hold a key, as it came: which of it counts is for the service to say.
	for _, name := range []string{"Authorization", "X-Api-Key"} {
		if values := r.Header.Values(name); len(values) > 0 {
			req.Header[name] = values
		}
	}
	req.Header.Set("User-Agent", r.UserAgent()) // the service notes by which agents a key is used; empty: none is sent
	res, err := g.transport.RoundTrip(req)      // no redirect is followed
	if err != nil {
		return Identity{}, unavailable()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	if err != nil {
		return Identity{}, unavailable()
	}
	return g.read(out, res, body)
}

// read takes nothing for a yes but the answer of a Keyfob service.
func (g *Guard) read(out http.Header, res *http.Response, body []byte) (Identity, *refusal) {
	switch res.StatusCode {
	case http.StatusNoContent:
		name, err := url.PathUnescape(res.Header.Get(api.HeaderKeyName))
		who := Identity{Org: res.Header.Get(api.HeaderOrg), KeyID: res.Header.Get(api.HeaderKeyID), KeyName: name}
		if err != nil || who.Org == "" || !strings.HasPrefix(who.KeyID, "key_") || who.KeyName == "" ||
			g.org != "" && who.Org != g.org { // what is in between may have lost the query
			return Identity{}, unavailable()
		}
		passRate(out, res.Header)
		return who, nil
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		var p api.Problem
		if err := json.Unmarshal(body, &p); err != nil {
			return Identity{}, unavailable()
		}
		info, _ := p.Code.Info()
		if slices.Contains(refusals(), p.Code) && info.Status == res.StatusCode {
			passRate(out, res.Header)
			return Identity{}, &refusal{
				code: p.Code, detail: p.Detail, challenge: `Bearer error="invalid_token"`, retryAfter: res.Header.Get("Retry-After"),
			}
		}
	}
	return Identity{}, unavailable()
}

// passRate passes on what is left of the key's rate limit.
func passRate(to, from http.Header) {
	for _, name := range []string{api.HeaderRateLimit, api.HeaderRateLimitPolicy} {
		if value := from.Get(name); value != "" {
			to.Set(name, value)
		}
	}
}

// refusals are what a service refuses a key with.
func refusals() []api.Code {
	return []api.Code{
		api.CodeUnauthenticated, api.CodeKeyDisabled, api.CodeKeyExpired, api.CodeForbidden, api.CodeRateLimited, api.CodeTooManyTries,
	}
}

// hopeless refuses what is no key without asking: none is there, or the only one is malformed.
func hopeless(h http.Header) *refusal {
	bearers, keys := h.Values("Authorization"), h.Values("X-Api-Key")
	const none = "no valid key was presented: it is missing, malformed, unknown or deleted"
	switch {
	case len(bearers)+len(keys) == 0:
		return &refusal{code: api.CodeUnauthenticated, detail: none, challenge: "Bearer"}
	case len(bearers) == 0 && len(keys) == 1:
		if _, err := secret.Parse(secret.Key, strings.TrimSpace(keys[0])); err != nil {
			return &refusal{code: api.CodeUnauthenticated, detail: none, challenge: `Bearer error="invalid_token"`}
		}
	case len(keys) == 0 && len(bearers) == 1:
		scheme, token, _ := strings.Cut(strings.TrimSpace(bearers[0]), " ")
		_, err := secret.Parse(secret.Key, strings.Trim(token, " "))
		if !strings.EqualFold(scheme, "Bearer") || err != nil {
			return &refusal{code: api.CodeUnauthenticated, detail: none, challenge: `Bearer error="invalid_token"`}
		}
	}
	return nil
}

// refusal is why a request is not let through.
type refusal struct {
	code      api.Code
	detail    string
	challenge string // of a 401 (RFC 6750 §3)
	// retryAfter is that of the service's 429, in seconds
	retryAfter string
}

func unavailable() *refusal {
	return &refusal{code: api.CodeUnavailable, detail: "the key could not be checked; try again"}
}

func (f *refusal) write(w http.ResponseWriter) {
	info, _ := f.code.Info()
	body, err := json.Marshal(api.Problem{
		Type: "urn:keyfob:problem:" + string(f.code), Title: info.Title, Status: info.Status, Detail: f.detail, Code: f.code,
	})
	if err != nil {
		body = nil // strings and a number always marshal
	}
	h := w.Header()
	switch info.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", f.challenge)
	case http.StatusTooManyRequests:
		if _, err := strconv.ParseUint(f.retryAfter, 10, 32); err != nil {
			f.retryAfter = "1"
		}
		h.Set("Retry-After", f.retryAfter)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(info.Status)
	_, _ = w.Write(append(body, '\n')) // a client that left needs no answer
}
