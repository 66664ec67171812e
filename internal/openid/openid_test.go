package openid_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/test/oidc/hostile"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]string{"public client": "", "confidential client": "s3cret&+ %"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			p.Secret = url.QueryEscape(secret) // as it is sent (RFC 6749 §2.3.1)
			provider := newProvider(p, func(c *openid.Config) { c.ClientSecret = secret })
			for range 2 {
				id, err := signIn(t, p, provider)
				if diff := cmp.Diff(alice(p), id); err != nil || diff != "" {
					t.Fatalf("%v\n%s", err, diff)
				}
			}
			if n := p.Asked(hostile.Discovery); n != 1 {
				t.Errorf("discovery was asked %d times", n)
			}
			if n := p.Asked(hostile.Keys); n != 1 {
				t.Errorf("the keys were asked %d times", n)
			}
			if n := p.Asked(hostile.Token); n != 2 {
				t.Errorf("the token endpoint was asked %d times", n)
			}
			if want := strings.TrimPrefix(p.URL, "http://"); provider.Name() != want {
				t.Errorf("name %q, want %q", provider.Name(), want)
			}
		})
	}
}

func TestAuthURL(t *testing.T) {
	t.Parallel()
	p := hostile.New(t)
	at, err := url.Parse(authURL(t, newProvider(p, nil)))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"client_id": {hostile.ClientID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid profile email"},
		"state": {state}, "nonce": {nonce}, "code_challenge_method": {"S256"},
		"code_challenge": {"MGBuKFlWxUgv1LaCG1TR4cxjzHLg2Tyq31XKyi9pxK4"},
	}
	if diff := cmp.Diff(want, at.Query()); diff != "" || at.Host != strings.TrimPrefix(p.URL, "http://") || at.Path != hostile.Authorize {
		t.Errorf("%s\n%s", at, diff)
	}
	for name, args := range map[string][3]string{
		"no state": {"", nonce, verifier}, "no nonce": {state, "", verifier}, "short verifier": {state, nonce, verifier[:42]},
	} {
		if at, err := newProvider(p, nil).AuthURL(t.Context(), args[0], args[1], args[2]); err == nil {
			t.Errorf("%s: %s", name, at)
		}
	}
}

// What providers do differently, within the standards.
func TestProvidersThatAreFine(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		spoils hostile.Spoils
		want   func(*core.Identity)
	}{
		"ES256": {hostile.Spoils{
			Sign: func(p *hostile.Provider, c map[string]any) string { return p.Signed(jose.ES256, ec, c) },
			Handlers: map[string]http.HandlerFunc{hostile.Keys: func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ec.Public(), KeyID: hostile.KeyID}}})
			}},
		}, nil},
		"no iss in the callback, none announced": {hostile.Spoils{
			Metadata: func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") },
			Callback: func(q url.Values) { q.Del("iss") },
		}, nil},
		"no PKCE methods listed": {hostile.Spoils{Metadata: func(m map[string]any) { delete(m, "code_challenge_methods_supported") }}, nil},
		"no algorithms listed":   {hostile.Spoils{Metadata: func(m map[string]any) { delete(m, "id_token_signing_alg_values_supported") }}, nil},
		"no userinfo endpoint":   {hostile.Spoils{Metadata: func(m map[string]any) { delete(m, "userinfo_endpoint") }}, nil},
		"an array of one audience": {hostile.Spoils{Claims: func(c map[string]any) {
			c["aud"] = []string{hostile.ClientID}
		}}, nil},
		"our azp":           {hostile.Spoils{Claims: func(c map[string]any) { c["azp"] = hostile.ClientID }}, nil},
		"times with parts":  {hostile.Spoils{Claims: func(c map[string]any) { c["iat"] = 1700000000.5 }}, nil},
		"no email anywhere": {hostile.Spoils{Claims: noEmail, Info: noEmail}, func(id *core.Identity) { id.Email, id.EmailVerified = "", false }},
		"no email, no userinfo endpoint": {hostile.Spoils{
			Metadata: func(m map[string]any) { delete(m, "userinfo_endpoint") }, Claims: noEmail,
		}, func(id *core.Identity) { id.Email, id.EmailVerified = "", false }},
		"email at userinfo": {hostile.Spoils{Claims: noEmail}, nil},
		"name at userinfo": {hostile.Spoils{Claims: func(c map[string]any) {
			noEmail(c)
			delete(c, "name")
		}}, nil},
		"unverified email at userinfo": {hostile.Spoils{Claims: noEmail, Info: func(c map[string]any) {
			c["email_verified"] = "true"
		}}, unverified},
		"email_verified is a string": {hostile.Spoils{Claims: func(c map[string]any) { c["email_verified"] = "true" }}, unverified},
		"email_verified is a number": {hostile.Spoils{Claims: func(c map[string]any) { c["email_verified"] = 1 }}, unverified},
		"email_verified is false":    {hostile.Spoils{Claims: func(c map[string]any) { c["email_verified"] = false }}, unverified},
		"email_verified is missing":  {hostile.Spoils{Claims: func(c map[string]any) { delete(c, "email_verified") }}, unverified},
		"Email_Verified": {hostile.Spoils{Claims: func(c map[string]any) {
			delete(c, "email_verified")
			c["Email_Verified"] = true
		}}, unverified},
		"email is no string": {hostile.Spoils{Claims: func(c map[string]any) { c["email"] = []string{"a@acme.example"} }}, func(id *core.Identity) {
			id.Email, id.EmailVerified = "", false
		}},
		"name is no string": {hostile.Spoils{Claims: func(c map[string]any) { c["name"] = 7 }}, func(id *core.Identity) { id.Name = "" }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			p.Spoil(tt.spoils)
			want := alice(p)
			if tt.want != nil {
				tt.want(&want)
			}
			id, err := signIn(t, p, newProvider(p, nil))
			if diff := cmp.Diff(want, id); err != nil || diff != "" {
				t.Fatalf("%v\n%s", err, diff)
			}
		})
	}
}

func noEmail(c map[string]any) {
	delete(c, "email")
	delete(c, "email_verified")
}

func unverified(id *core.Identity) { id.EmailVerified = false }

// A client that may name itself at the token endpoint in one way only does so at once: a code works once.
func TestTheWayToNameTheClientIsNotGuessed(t *testing.T) {
	t.Parallel()
	for method, basic := range map[string]bool{"client_secret_post": false, "client_secret_basic": true} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			p.Secret = "s3cret"
			var post bool
			p.Spoil(hostile.Spoils{
				Metadata: func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = []string{method} },
				Handlers: map[string]http.HandlerFunc{hostile.Token: func(w http.ResponseWriter, r *http.Request) {
					_, _, post = r.BasicAuth()
					http.Error(w, "{}", http.StatusUnauthorized)
				}},
			})
			if _, err := signIn(t, p, newProvider(p, nil)); err == nil {
				t.Error("it worked")
			}
			if n := p.Asked(hostile.Token); n != 1 || post != basic {
				t.Errorf("%d requests, Basic: %v", n, post)
			}
		})
	}
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://id.example.com":                 "",
		"https://id.example.com/":                "",
		"https://id.example.com:8443/realms/a":   "",
		"http://127.0.0.1:5556/dex":              "",
		"http://[::1]:5556":                      "",
		"":                                       "empty",
		"id.example.com":                         "https://",
		"ftp://id.example.com":                   "https://",
		"http://id.example.com":                  "plain http",
		"http://localhost:5556":                  "plain http",
		"http://127.0.0.1.example.com":           "plain http",
		"https://ada:hunter2@id.example.com":     "user name",
		"https://id.example.com?a=b":             "query",
		"https://id.example.com?":                "query",
		"https://id.example.com/#a":              "fragment",
		"https://id.example.com#":                "fragment",
		"https://":                               "no host",
		"https://%zz":                            "parsed",
		"https://id.example.com\n":               "parsed",
		"https://a/" + strings.Repeat("a", 2048): "parsed",
	} {
		err := openid.CheckIssuer(issuer)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%.40q: %v, want %q", issuer, err, want)
		}
	}
}
