package openid_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/test/oidc/hostile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	redirect = "http://127.0.0.1:7420/oidc/callback"
	state    = "state-of-this-sign-in"
	nonce    = "nonce-of-this-sign-in"
	verifier = "verifier-of-this-sign-in-of-43-characters-or-more"
)

func newProvider(p *hostile.Provider, edit func(*openid.Config)) *openid.Provider {
	cfg := openid.Config{Issuer: p.URL, ClientID: hostile.ClientID, ClientSecret: p.Secret, RedirectURL: redirect}
	if edit != nil {
		edit(&cfg)
	}
	return openid.New(cfg)
}

// signIn is a whole sign-in, with the browser's part.
func signIn(t *testing.T, p *hostile.Provider, provider *openid.Provider) (core.Identity, error) {
	t.Helper()
	return exchange(t, provider, p.Visit(authURL(t, provider)))
}

func authURL(t *testing.T, provider *openid.Provider) string {
	t.Helper()
	at, err := provider.AuthURL(t.Context(), state, nonce, verifier)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func exchange(t *testing.T, provider *openid.Provider, query url.Values) (core.Identity, error) {
	t.Helper()
	id, err := provider.Exchange(t.Context(), query, nonce, verifier)
	if err != nil && id != (core.Identity{}) {
		t.Errorf("an error and %+v", id)
	}
	for _, secret := range []string{verifier, nonce, query.Get("code"), "eyJ"} {
		if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %.500s", secret, err)
		}
	}
	return id, err
}

// refusal asserts that err is a refusal with this code, whose text, or its cause's, holds want.
func refusal(t *testing.T, err error, code api.Code, want string) {
	t.Helper()
	known, ok := errors.AsType[*core.Error](err)
	if !ok || known.Code != code || known.Fix == "" {
		t.Fatalf("error %#v (%v), want code %s and a fix", known, err, code)
	}
	text := err.Error()
	if !strings.Contains(text, want) || !strings.Contains(text, known.Detail) || !strings.Contains(text, known.Fix) || len(text) > 1000 {
		t.Errorf("it says %.1200s\nwant %s", text, want)
	}
	if strings.ContainsAny(known.Detail+known.Fix, "<>\n\x1b") {
		t.Errorf("it shows what it must not: %q", known.Detail)
	}
}

func alice(p *hostile.Provider) core.Identity {
	return core.Identity{Issuer: p.URL, Subject: "alice-1", Email: "alice@acme.example", EmailVerified: true, Name: "Alice"}
}

// clock is a clock that stands until it is moved.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }
