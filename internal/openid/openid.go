// Package openid signs people in with an upstream OpenID provider: the authorization code flow with PKCE (OpenID Connect
// Core 1.0 §3.1, RFC 7636), checked as RFC 9700 and RFC 9207 ask. It also checks the ID tokens of pipelines' jobs (Jobs).
//
// It must not know pages, cookies or the store: who keeps state, nonce and verifier between the two halves of a sign-in,
// and what an identity may do, is others' business.
package openid

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// minVerifier is the shortest code_verifier that RFC 7636 §4.1 allows.
const minVerifier = 43

// Config says which provider to trust, and as which of its clients.
type Config struct {
	Issuer       string // as CheckIssuer accepts it
	ClientID     string
	ClientSecret string // empty: a public client
	RedirectURL  string // our callback, as the provider knows it

	HTTP    *http.Client     // nil: a client of its own; redirects, cookies and limits are set here in any case
	Timeout time.Duration    // of one request to the provider; 0: 5 s
	Now     func() time.Time // nil: time.Now
}

// Provider is one OpenID provider. It is safe for concurrent use.
type Provider struct {
	cfg  Config
	http *http.Client

	mu       sync.Mutex // held while the provider is asked, so that many sign-ins ask once
	found    *upstream  // nil: not yet
	failed   error
	failedAt time.Time
}

// New returns a provider. It asks nothing of it: the service starts whether or not its provider is up.
func New(cfg Config) *Provider {
	if cfg.Timeout == 0 {
		cfg.Timeout = requestTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Provider{cfg: cfg, http: bounded(cfg.HTTP, cfg.Timeout)}
}

// Name is the issuer's host, for people.
func (p *Provider) Name() string {
	if u, err := url.Parse(p.cfg.Issuer); err == nil {
		return u.Host
	}
	return ""
}

// AuthURL is where a browser goes to sign in. State, nonce and verifier are random strings of this one sign-in; the
// verifier is of 43 characters or more (oauth2.GenerateVerifier).
func (p *Provider) AuthURL(ctx context.Context, state, nonce, verifier string) (string, error) {
	if state == "" || nonce == "" || len(verifier) < minVerifier {
		return "", errors.New("openid: a sign-in needs a state, a nonce and a verifier")
	}
	up, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return p.client(up).AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)), nil
}

// Exchange turns the query that the provider sent the browser back with into who signed in. The caller has compared the
// query's state; nonce and verifier are those of the same sign-in.
//
// What it refuses is in its chain as a *core.Error; neither that nor the rest of the text holds a code or a token.
func (p *Provider) Exchange(ctx context.Context, query url.Values, nonce, verifier string) (core.Identity, error) {
	if nonce == "" || len(verifier) < minVerifier {
		return core.Identity{}, errors.New("openid: a sign-in needs a nonce and a verifier")
	}
	up, err := p.discover(ctx)
	if err != nil {
		return core.Identity{}, err
	}
	code, err := up.code(query)
	if err != nil {
		return core.Identity{}, err
	}
	ctx = oidc.ClientContext(ctx, p.http)
	token, err := p.client(up).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return core.Identity{}, p.exchangeFailed(err)
	}
	got, err := p.idToken(ctx, up, token, nonce)
	if err != nil {
		return core.Identity{}, err
	}
	if got.Email == nil && up.UserInfoURL != "" {
		if err := p.addUserInfo(ctx, up, token, got); err != nil {
			return core.Identity{}, err
		}
	}
	return got.identity(), nil
}

// client is our side of the provider's OAuth endpoints.
func (p *Provider) client(up *upstream) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, RedirectURL: p.cfg.RedirectURL,
		Scopes: []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail},
		Endpoint: oauth2.Endpoint{
			AuthURL: up.AuthURL, TokenURL: up.TokenURL, AuthStyle: p.authStyle(up),
		},
	}
}

// authStyle is how the client names itself at the token endpoint. Left open, x/oauth2 tries one way after the other, and a
// code that is sent twice may be one that the provider takes for stolen (RFC 6749 §4.1.2).
func (p *Provider) authStyle(up *upstream) oauth2.AuthStyle {
	methods := up.TokenAuth
	post := slices.Contains(methods, "client_secret_post") && !slices.Contains(methods, "client_secret_basic")
	if p.cfg.ClientSecret == "" || post {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader // the default (OpenID Connect Discovery 1.0 §3)
}

// exchangeFailed says why the token endpoint gave no token. The library's error holds the whole answer: of that only the
// status and the error's name are repeated.
func (p *Provider) exchangeFailed(err error) error {
	var answered *oauth2.RetrieveError
	if !errors.As(err, &answered) {
		cause := reason(err)
		if _, sent := errors.AsType[*url.Error](err); !sent && errors.Is(cause, errUnknown) {
			cause = errForm
		}
		return p.unavailable(cause, "its token endpoint gave no token")
	}
	name := errorName(answered.ErrorCode)
	switch {
	case name == "invalid_grant":
		return refuse(api.CodeForbidden, "sign in again", nil, "%s does not take the code: it was used before or is too old", p.Name())
	case name == "invalid_client" || name == "unauthorized_client":
		return refuse(api.CodeUnavailable, "have the operator compare the client's id and secret with those that the provider holds",
			nil, "%s does not know this service: %s", p.Name(), name)
	case name != "":
		return p.unavailable(errors.New("it said "+name), "its token endpoint gave no token")
	}
	return p.unavailable(statusError(answered.Response.StatusCode), "its token endpoint gave no token")
}
