package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const providersPage = "https://login.example.com/authorize?client_id=keyfob"

// provider is an OpenID provider that believes everybody; it remembers what it was asked.
type provider struct {
	mu     sync.Mutex
	asked  []begun
	id     core.Identity
	refuse error
}

type begun struct{ state, nonce, verifier string }

func (p *provider) Name() string { return "login.example.com" }

func (p *provider) AuthURL(_ context.Context, state, nonce, verifier string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, begun{state, nonce, verifier})
	return providersPage, nil
}

func (p *provider) Exchange(_ context.Context, query url.Values, nonce, verifier string) (core.Identity, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked {
		if a == (begun{query.Get("state"), nonce, verifier}) && query.Get("code") == "code" {
			return p.id, p.refuse
		}
	}
	return core.Identity{}, &core.Error{Code: api.CodeForbidden, Detail: "that was not begun here", Fix: "sign in again"}
}

func (p *provider) last() begun {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[len(p.asked)-1]
}

func newProvider() *provider {
	return &provider{id: core.Identity{Issuer: "https://login.example.com", Subject: "eve", Email: "eve@example.com", EmailVerified: true, Name: "Eve"}}
}

// come is the way back from the provider.
func come(state string) string { return "/oidc/callback?code=code&state=" + state }

func TestOpenIDSignIn(t *testing.T) {
	t.Parallel()
	provider := newProvider()
	h := newHarness(t, withOpenID(provider))
	b := h.browser()
	b.get("/sign-in?next=/device?code=BCDF-GHJK").page(http.StatusOK, "Sign in", "Continue with <bdi>login.example.com</bdi>",
		`href="/sign-in/oidc?next=%2Fdevice%3Fcode%3DBCDF-GHJK"`)
	out := b.get("/sign-in/oidc?next=%2Fdevice%3Fcode%3DBCDF-GHJK").redirects(providersPage)
	c, asked := out.cookie(openIDCookie), provider.last()
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 600 {
		t.Errorf("%+v", c)
	}
	for _, secret := range []string{asked.state, asked.nonce, asked.verifier} {
		if len(secret) < 26 || strings.Contains(c.Value, secret) {
			t.Errorf("%q is short, or can be read in %s", secret, c.Value)
		}
	}
	if len(asked.verifier) < 43 || len(asked.verifier) > 128 || asked.state == asked.nonce {
		t.Errorf("%+v", asked)
	}
	b.get(come(asked.state)).redirects("/device?code=BCDF-GHJK")
	b.get("/device").page(http.StatusOK, enterTitle, "<bdi>Eve</bdi>")
	b.get(come(asked.state)).redirects("/device") // gone back to

	b.get("/sign-in/oidc").redirects(providersPage)
	if again := provider.last(); again.state == asked.state || again.nonce == asked.nonce || again.verifier == asked.verifier {
		t.Error("the second sign-in has something of the first")
	}
}

func TestOpenIDAnswersThatAreNotOurs(t *testing.T) {
	t.Parallel()
	const title = "That was not allowed"
	for name, answer := range map[string]func(h *harness, b *browser, state string) string{
		"other state": func(_ *harness, _ *browser, _ string) string { return come("other") },
		"no state":    func(_ *harness, _ *browser, _ string) string { return "/oidc/callback?code=code" },
		"two states":  func(_ *harness, _ *browser, state string) string { return come(state) + "&state=" + state },
		"other code":  func(_ *harness, _ *browser, state string) string { return "/oidc/callback?code=x&state=" + state },
		"error": func(_ *harness, _ *browser, state string) string {
			return "/oidc/callback?error=access_denied&state=" + state
		},
		"begun anew": func(_ *harness, b *browser, state string) string { b.get("/sign-in/oidc"); return come(state) },
		"too late":   func(h *harness, _ *browser, state string) string { h.clock.add(openIDLife); return come(state) },
		"without it": func(h *harness, b *browser, state string) string {
			b.client.Jar = h.browser().client.Jar
			return come(state)
		},
		"played again": func(_ *harness, b *browser, state string) string {
			b.get(come(state))
			b.submitSignOut()
			return come(state)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := newProvider()
			h := newHarness(t, withOpenID(provider))
			b := h.browser()
			b.get("/sign-in/oidc").redirects(providersPage)
			a := b.get(answer(h, b, provider.last().state)).page(http.StatusForbidden, title, testRequestID, "Sign in again.")
			if a.cookie(sessionCookie) != nil {
				t.Error("it signs in")
			}
			b.get("/device").redirects("/sign-in?next=%2Fdevice")
		})
	}
}

func (b *browser) submitSignOut() { b.submit("/sign-out", nil).redirects("/sign-in?signed_out") }

func TestAWrongStateDoesNotEndASignIn(t *testing.T) {
	t.Parallel()
	provider := newProvider()
	b := newHarness(t, withOpenID(provider)).browser()
	b.get("/sign-in/oidc").redirects(providersPage)
	b.get(come("other")).page(http.StatusForbidden, "That was not allowed") // a link that somebody sent
	b.get(come(provider.last().state)).redirects("/device")
}

func TestWhoTheProviderKnowsAndWeDoNot(t *testing.T) {
	t.Parallel()
	provider := newProvider()
	provider.id.Email = "mallory@elsewhere.example"
	b := newHarness(t, withOpenID(provider)).browser()
	b.get("/sign-in/oidc").redirects(providersPage)
	b.get(come(provider.last().state)).page(http.StatusForbidden, "That was not allowed")
	b.get("/device").redirects("/sign-in?next=%2Fdevice")
}

func TestAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	provider := newProvider()
	provider.refuse = &core.Error{Code: api.CodeUnavailable, Detail: "login.example.com does not answer", Fix: "try again"}
	h := newHarness(t, withOpenID(provider))
	b := h.browser()
	b.get("/sign-in/oidc").redirects(providersPage)
	a := b.get(come(provider.last().state)).page(http.StatusServiceUnavailable, "Not available right now", "Login.example.com does not answer. Try again.")
	if a.header.Get("Retry-After") != "1" || !strings.Contains(h.log.String(), testRequestID) {
		t.Errorf("%v\n%s", a.header, h.log)
	}
}

func TestPasswordsAndOpenIDAreApart(t *testing.T) {
	t.Parallel()
	b := newHarness(t, withOpenID(newProvider())).browser()
	b.submit("/sign-in", form{"email": "ada@example.com", "password": adasPassword}).
		page(http.StatusForbidden, "That was not allowed", "Sign in with login.example.com.")
	b = newHarness(t).browser()
	b.get("/sign-in/oidc").page(http.StatusNotFound, "This does not work any more")
	b.get("/oidc/callback?code=x&state=y").page(http.StatusNotFound, "This does not work any more")
}

func TestTheLongestSignInFitsACookie(t *testing.T) {
	t.Parallel()
	b := newHarness(t, withOpenID(newProvider())).browser()
	c := b.get("/sign-in/oidc?next=" + url.QueryEscape("/device?code=BCDF-GHJK")).cookie(openIDCookie)
	if size := len(c.String()); size > 1024 {
		t.Errorf("%d bytes", size)
	}
}
