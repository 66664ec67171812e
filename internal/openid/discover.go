package openid

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// retryAfter is how long a failed discovery is the answer to every sign-in: a provider that is down is not asked by each.
const retryAfter = 3 * time.Second

// maxIssuer bounds an issuer in bytes.
const maxIssuer = 2048

// metadata is what is used of a discovery document (OpenID Connect Discovery 1.0 §3, RFC 8414, RFC 9207 §3).
type metadata struct {
	Issuer      string   `json:"issuer"`
	AuthURL     string   `json:"authorization_endpoint"`
	TokenURL    string   `json:"token_endpoint"`
	KeysURL     string   `json:"jwks_uri"`
	UserInfoURL string   `json:"userinfo_endpoint"` // may be empty
	Challenges  []string `json:"code_challenge_methods_supported"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth   []string `json:"token_endpoint_auth_methods_supported"`
	SendsIssuer bool     `json:"authorization_response_iss_parameter_supported"`
}

// upstream is a provider as it describes itself, and its keys.
type upstream struct {
	metadata

	name string
	keys oidc.KeySet // fetched at the first token, and again for a key that is not known
}

// CheckIssuer says why a string can't be a provider's issuer: it must be an https URL, or http on a loopback address, without
// user, query and fragment.
func CheckIssuer(issuer string) error {
	u, err := checkURL(issuer)
	if err != nil {
		return fmt.Errorf("the issuer %w", err)
	}
	if u.RawQuery != "" || u.ForceQuery {
		return errors.New("the issuer has a query")
	}
	return nil
}

// checkURL takes https, and http on an address of this machine: localhost is a name, and names can be given to any address.
// Its errors hold no part of the URL that may be a credential.
func checkURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, errors.New("is empty")
	case err != nil || len(raw) > maxIssuer:
		return nil, errors.New("can't be parsed")
	case u.User != nil:
		return nil, errors.New("carries a user name or password")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is no URL that begins with https://")
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case strings.Contains(raw, "#"):
		return nil, errors.New("has a fragment")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("is plain http; only https goes beyond this machine, and http to 127.0.0.1 or [::1]")
	}
	return u, nil
}

// discover returns what the provider says of itself: asked at the first sign-in, kept once it answered as it must.
func (p *Provider) discover(ctx context.Context) (*upstream, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if p.failed != nil && p.cfg.Now().Sub(p.failedAt).Abs() < retryAfter {
		return nil, p.failed
	}
	// Without the browser's own end: others wait for the answer, and the request has a limit of its own.
	p.found, p.failed = p.ask(context.WithoutCancel(ctx))
	p.failedAt = p.cfg.Now()
	return p.found, p.failed
}

func (p *Provider) ask(ctx context.Context) (*upstream, error) {
	if err := CheckIssuer(p.cfg.Issuer); err != nil {
		return nil, p.unavailable(err, "it is not configured")
	}
	up := &upstream{name: p.Name()}
	at := strings.TrimSuffix(p.cfg.Issuer, "/") + "/.well-known/openid-configuration"
	if err := p.get(ctx, at, "", &up.metadata); err != nil {
		return nil, p.unavailable(err, "it does not say how (GET %s)", at)
	}
	if err := up.check(p.cfg.Issuer); err != nil {
		return nil, p.unavailable(err, "%s is not usable", at)
	}
	up.keys = oidc.NewRemoteKeySet(oidc.ClientContext(ctx, p.http), up.KeysURL)
	return up, nil
}

// check refuses a document that is not the issuer's, or that would have this service do what it must not.
func (m *metadata) check(issuer string) error {
	if m.Issuer != issuer {
		return fmt.Errorf("it is of the issuer %s, not of %s; they must be equal to the byte", shown(m.Issuer), shown(issuer))
	}
	endpoints := []struct{ name, url string }{
		{"authorization_endpoint", m.AuthURL}, {"token_endpoint", m.TokenURL}, {"jwks_uri", m.KeysURL},
	}
	if m.UserInfoURL != "" {
		endpoints = append(endpoints, struct{ name, url string }{"userinfo_endpoint", m.UserInfoURL})
	}
	for _, e := range endpoints {
		u, err := checkURL(e.url)
		if err != nil {
			return fmt.Errorf("its %s %w", e.name, err)
		}
		if u.Scheme == "http" && strings.HasPrefix(issuer, "https:") {
			return fmt.Errorf("its %s is plain http", e.name)
		}
	}
	if len(m.Challenges) > 0 && !slices.Contains(m.Challenges, "S256") {
		return errors.New("it does not support the PKCE method S256")
	}
	if len(m.Algorithms) > 0 && !slices.ContainsFunc(m.Algorithms, func(a string) bool { return slices.Contains(algorithms(), a) }) {
		return fmt.Errorf("it signs with none of %s", strings.Join(algorithms(), ", "))
	}
	return nil
}

// shown is text of others' as an error may show it: quoted, printable and cut.
func shown(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.QuoteToASCII(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.QuoteToASCII(s)
}
