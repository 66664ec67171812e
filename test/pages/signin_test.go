package pages_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func wrongPassword(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	b := c.tab(t, s)
	b.opens("/device", 200, "Sign in")
	b.fill("email", adasEmail, "password", "not the right password")
	b.leads(403, "Sign in", press("Sign in"))
	b.shows("The e-mail address or the password is wrong.")
	b.look("sign-in-wrong")
	for range 4 {
		b.fill("password", "not the right password")
		b.leads(403, "Sign in", press("Sign in"))
	}
	s.clock.add(time.Minute)
	b.fill("password", adasPassword)
	b.leads(429, "Sign in", press("Sign in"))
	b.shows("Try again in 14 minutes.")
	b.look("sign-in-locked")
	s.clock.add(14 * time.Minute)
	b.fill("password", adasPassword)
	b.leads(200, "Enter your code", press("Sign in"))
}

// onHTTPS is how people meet the pages: their cookies have the __Host- prefix, which Chromium holds us to.
func onHTTPS(v visit) {
	t, c := v.t, v.chromium
	s := c.front.service(t, "https.example.com", nil)
	s.setUp(t)
	started := s.start(t, "keyfob", "ada-laptop")
	b := c.signedIn(t, s, started.UserCode)
	b.leads(200, "Approved", press("Approve"))
	s.polled(t, started, nil)
}

func sessionEnds(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	b := c.tab(t, s)
	b.opens("/device", 200, "Sign in")
	b.signIn()
	s.clock.add(time.Hour)
	started := s.start(t, "keyfob", "ada-laptop")
	b.fill("code", started.UserCode)
	b.leads(200, "Sign in", press("Continue"))
	b.shows("To continue with the code " + started.UserCode)
	b.look("sign-in-code")
	b.signInTo(decideTitle)
}

func signOut(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	b := c.tab(t, s)
	b.opens("/device", 200, "Sign in")
	b.signIn()
	b.leads(200, "Sign in", press("Sign out"))
	b.shows("You are signed out.")
	b.look("signed-out")
	b.leads(200, "Sign in", chromedp.NavigateBack())
}

func openRedirect(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	for _, next := range []string{"//evil.example.com", `/\evil.example.com`, "https://evil.example.com/device", "/%2Fevil.example.com", "\t//evil.example.com"} {
		b := c.tab(t, s)
		b.opens("/sign-in?"+url.Values{"next": {next}}.Encode(), 200, "Sign in")
		b.signIn() // and the tab has asked nothing of another site
	}
}

// standIn is an OpenID provider whose page is a link back.
type standIn struct {
	name string // its host
	back string // our callback
	id   core.Identity
}

func (p *standIn) Name() string { return p.name }

func (p *standIn) AuthURL(_ context.Context, state, _, _ string) (string, error) {
	return "https://" + p.name + "/?" + url.Values{"back": {p.back + "?" + url.Values{"state": {state}, "code": {"code"}}.Encode()}}.Encode(), nil
}

func (p *standIn) Exchange(context.Context, url.Values, string, string) (core.Identity, error) {
	return p.id, nil
}

// ServeHTTP is the provider's page.
func (p *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	back, err := url.Parse(r.URL.Query().Get("back"))
	if err != nil || !strings.HasPrefix(back.String(), p.back+"?") {
		http.Error(w, "no way back", http.StatusBadRequest)
		return
	}
	_, _ = w.Write([]byte(`<!doctype html><title>Provider</title><h1>Provider</h1><a id="back" href="` + html.EscapeString(back.String()) + `">Go on</a>`))
}

// withProvider starts a service at NAME.example.com whose people sign in with a provider at another host.
func withProvider(t *testing.T, c *chromium, name string, id core.Identity) (*service, *tab) {
	t.Helper()
	provider := &standIn{name: "login-" + name + ".example.com", back: "https://" + name + ".example.com/oidc/callback", id: id}
	c.front.serve(provider.name, provider)
	s := c.front.service(t, name+".example.com", provider)
	return s, c.tab(t, s)
}

func provider(v visit) {
	t, c := v.t, v.chromium
	s, b := withProvider(t, c, "open", core.Identity{Issuer: "https://login.example.com", Subject: "ada", Email: adasEmail, EmailVerified: true, Name: "Ada"})
	_, owner, err := s.core.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Operator"})
	noError(t, err)
	in, err := s.core.StartSession(t.Context(), owner.ID, api.SessionCLI, core.Client{})
	noError(t, err)
	p, err := s.core.Authenticate(t.Context(), in.Token.Reveal())
	noError(t, err)
	_, _, err = s.core.AddMember(t.Context(), p, "acme", adasEmail, api.RoleMember)
	noError(t, err)

	started := s.start(t, "keyfob", "ada-laptop")
	b.opens("/device?code="+started.UserCode, 200, "Sign in")
	b.look("sign-in-provider")
	b.leads(200, "Provider", chromedp.Click(chromedp.CSS("main a.button")))
	b.leads(200, decideTitle, chromedp.Click(chromedp.ID("back"))) // the session's cookie came with a way back from another site
	b.leads(200, "Approved", press("Approve"))
	s.polled(t, started, nil)
	b.expectWrong("asked https://login-open.example.com/")
}

func providerRefuses(v visit) {
	t, c := v.t, v.chromium
	_, b := withProvider(t, c, "shut", core.Identity{Issuer: "https://login.example.com", Subject: "eve", Email: "eve@elsewhere.example", EmailVerified: true})
	b.opens("/device", 200, "Sign in")
	b.leads(200, "Provider", chromedp.Click(chromedp.CSS("main a.button")))
	b.leads(403, "That was not allowed", chromedp.Click(chromedp.ID("back")))
	b.shows("Reference: req_")
	b.look("fail")
	b.leads(200, "Sign in", chromedp.Click(chromedp.CSS("main a.button")))
	b.expectWrong("asked https://login-shut.example.com/")
}
