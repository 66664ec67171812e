// Package pages is what people see in a browser: they sign in, decide on a program that asks to be signed in, and use a
// set-up link. It turns forms into calls of core and answers with HTML that needs no script, and nothing of another site.
//
// It must not know the API's JSON, how an OpenID provider proves who somebody is, or any rule of the domain.
package pages

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/keyfob/keyfob/internal/core"
)

// Config is what Pages depend on. Every member but OpenID is needed.
type Config struct {
	Core *core.Service
	// PublicURL is the origin under which people reach the service. With https its cookies never travel without TLS.
	PublicURL *url.URL
	// OpenID signs people in; nil: they have passwords.
	OpenID OpenID
	// Cookies keep from the browser what it carries for us.
	Cookies Cookies
	// Origin is what core may know of where a request came from; tries are counted by it.
	Origin func(*http.Request) core.Origin
	Now    func() time.Time
	Log    *slog.Logger
}

// OpenID signs people in at an OpenID provider by the code flow with PKCE. Its refusals are *core.Error.
type OpenID interface {
	// AuthURL is the provider's page that the browser goes to; verifier is the PKCE code verifier (RFC 7636 §4.1).
	AuthURL(ctx context.Context, state, nonce, verifier string) (string, error)
	// Exchange turns the query that the browser came back with into who has signed in. That its state is the one of this
	// browser was checked.
	Exchange(ctx context.Context, query url.Values, nonce, verifier string) (core.Identity, error)
	// Name is the provider as people know it: its host.
	Name() string
}

// Cookies seals what a cookie holds, alike on every replica, so that no browser can read or change it. What was sealed for
// one purpose opens for no other.
type Cookies interface {
	Seal(purpose string, text []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

// Pages are the pages of one service.
type Pages struct {
	Config

	views map[string]*template.Template
	cross *http.CrossOriginProtection
}

// Route is one page, as http.ServeMux takes it. Before Handle runs, the header Request-Id must be set and the Host header
// be known for one of ours.
type Route struct {
	Method, Pattern string
	Handle          http.HandlerFunc
}

// New builds the pages.
func New(cfg Config) (*Pages, error) {
	if cfg.Core == nil || cfg.PublicURL == nil || cfg.Cookies == nil || cfg.Origin == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("pages: a member of the Config is missing")
	}
	views, err := parseViews()
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	p := &Pages{Config: cfg, views: views, cross: http.NewCrossOriginProtection()}
	origin := cfg.PublicURL.Scheme + "://" + cfg.PublicURL.Host
	if err := p.cross.AddTrustedOrigin(origin); err != nil { // a proxy may call us by another Host
		return nil, fmt.Errorf("pages: the public URL: %w", err)
	}
	return p, nil
}

// Routes is the one table of pages.
func (p *Pages) Routes() []Route {
	return []Route{
		{"GET", "/sign-in", p.get(p.showSignIn)},
		{"POST", "/sign-in", p.post(p.signIn)},
		{"GET", "/sign-in/oidc", p.get(p.startOpenID)},
		{"GET", "/oidc/callback", p.get(p.finishOpenID)},
		{"POST", "/sign-out", p.post(p.signOut)},
		{"GET", "/device", p.get(p.signedIn(p.showDevice))},
		{"POST", "/device", p.post(p.signedIn(p.enterCode))},
		{"POST", "/device/decision", p.post(p.signedIn(p.decide))},
		{"GET", "/setup/{token}", p.get(p.showSetUp)},
		{"POST", "/setup/{token}", p.post(p.finishSetUp)},
		{"GET", "/pages/style.css", asset("style.css", "text/css; charset=utf-8")},
		{"GET", "/pages/icon.svg", asset("icon.svg", "image/svg+xml")},
	}
}

// handler shows a page. The error that it returns is shown as a page, too; nothing may be written before it.
type handler func(http.ResponseWriter, *http.Request) error

func (p *Pages) get(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		defer p.survive(w, r)
		if err := h(w, r); err != nil {
			p.fail(w, r, err)
		}
	}
}

// post is get for what changes something: only one of our own forms gets through to the handler, in r.PostForm.
func (p *Pages) post(h handler) http.HandlerFunc {
	return p.get(func(w http.ResponseWriter, r *http.Request) error {
		if err := p.readForm(w, r); err != nil {
			return err
		}
		return h(w, r)
	})
}

// protect sets the headers that keep a page to itself. Referrer-Policy is not no-referrer: with that browsers send
// "Origin: null" along with our own forms.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "+
		"frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}
