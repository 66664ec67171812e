package openid_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/test/oidc/hostile"
)

// short is the time that a provider has which takes too long; all others have the usual time.
const short = 200 * time.Millisecond

// bad are answers that are none, whatever was asked.
func bad(release <-chan struct{}) map[string]struct {
	handler http.HandlerFunc
	want    string
} {
	return map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>oops</h1>", http.StatusInternalServerError)
		}, "500"},
		"204":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, ""},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html><p>hello")) }, ""},
		"null": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("null")) }, ""},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}, "redirect"},
		"permanent": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/keys", http.StatusPermanentRedirect)
		}, "redirect"},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"keys":[],"pad":"` + strings.Repeat("a", 2<<20) + `"}`))
		}, ""},
		"closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "closed"},
		"slow": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // until then the server does not see the client leave
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}, "too long"},
		"slow body": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = w.Write([]byte(`{"issuer":"`))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}, ""},
	}
}

func TestProvidersThatFail(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for _, path := range []string{hostile.Discovery, hostile.Token, hostile.Keys, hostile.UserInfo} {
		for name, tt := range bad(release) {
			t.Run(strings.TrimPrefix(path, "/")+"/"+name, func(t *testing.T) {
				t.Parallel()
				p := hostile.New(t)
				p.Spoil(hostile.Spoils{Handlers: map[string]http.HandlerFunc{path: tt.handler}, Claims: noEmail})
				provider := newProvider(p, func(c *openid.Config) {
					if strings.HasPrefix(name, "slow") {
						c.Timeout = short
					}
				})
				if path == hostile.Discovery {
					_, err := provider.AuthURL(t.Context(), state, nonce, verifier)
					refusal(t, err, api.CodeUnavailable, tt.want)
					return
				}
				if strings.HasPrefix(name, "slow") { // the rest must not be hurried
					slow(t, p, path, tt.handler)
					return
				}
				_, err := signIn(t, p, provider)
				code := api.CodeUnavailable
				if name == "null" && path != hostile.Token {
					code = api.CodeForbidden // no keys and no subject
				}
				refusal(t, err, code, tt.want)
			})
		}
	}
}

// slow has a provider that was quick so far take too long for one endpoint.
func slow(t *testing.T, p *hostile.Provider, path string, handler http.HandlerFunc) {
	t.Helper()
	provider := newProvider(p, func(c *openid.Config) { c.Timeout = time.Second })
	p.Spoil(hostile.Spoils{Claims: noEmail})
	query := p.Visit(authURL(t, provider))
	p.Spoil(hostile.Spoils{Handlers: map[string]http.HandlerFunc{path: handler}, Claims: noEmail})
	_, err := exchange(t, provider, query)
	refusal(t, err, api.CodeUnavailable, "")
}

func TestKeySetsThatProveNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no keys": `{"keys":[]}`, "an empty object": `{}`, "a key of another kind": `{"keys":[{"kty":"oct","kid":"key-1","k":"AAAA"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			p.Spoil(hostile.Spoils{Handlers: map[string]http.HandlerFunc{hostile.Keys: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(text))
			}}})
			provider := newProvider(p, nil)
			_, err := signIn(t, p, provider)
			refusal(t, err, api.CodeForbidden, "none of its keys")

			p.Spoil(hostile.Spoils{}) // it has its keys again
			if _, err := signIn(t, p, provider); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDiscoveryThatIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(map[string]any)
		want string
	}{
		"issuer of another":      {set("issuer", "https://evil.example"), "it is of the issuer"},
		"issuer missing":         {func(m map[string]any) { delete(m, "issuer") }, `of the issuer "", not of`},
		"issuer with a slash":    {func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" }, "equal to the byte"},
		"issuer in upper case":   {func(m map[string]any) { m["issuer"] = strings.ToUpper(m["issuer"].(string)) }, "equal to the byte"},
		"issuer no string":       {set("issuer", 7), "something else than the JSON"},
		"no S256":                {set("code_challenge_methods_supported", []string{"plain"}), "S256"},
		"no good algorithm":      {set("id_token_signing_alg_values_supported", []string{"HS256", "none"}), "RS256, ES256"},
		"no authorize endpoint":  {func(m map[string]any) { delete(m, "authorization_endpoint") }, "authorization_endpoint is empty"},
		"no token endpoint":      {func(m map[string]any) { delete(m, "token_endpoint") }, "token_endpoint is empty"},
		"no keys":                {func(m map[string]any) { delete(m, "jwks_uri") }, "jwks_uri is empty"},
		"authorize is a script":  {set("authorization_endpoint", "javascript:alert(1)"), "authorization_endpoint is no URL"},
		"authorize is plain":     {set("authorization_endpoint", "http://id.example.com/authorize"), "plain http"},
		"keys in the cloud":      {set("jwks_uri", "http://169.254.169.254/latest"), "plain http"},
		"token with a password":  {set("token_endpoint", "https://a:hunter2@id.example.com"), "token_endpoint carries"},
		"userinfo in the cloud":  {set("userinfo_endpoint", "http://169.254.169.254/latest"), "userinfo_endpoint is plain"},
		"file":                   {set("jwks_uri", "file:///etc/passwd"), "jwks_uri is no URL"},
		"authorize with a #":     {set("authorization_endpoint", "https://id.example.com/#x"), "fragment"},
		"iss support is a word":  {set("authorization_response_iss_parameter_supported", "false"), "something else than the JSON"},
		"methods are not a list": {set("code_challenge_methods_supported", "S256"), "something else than the JSON"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			p.Spoil(hostile.Spoils{Metadata: tt.edit})
			_, err := newProvider(p, nil).AuthURL(t.Context(), state, nonce, verifier)
			refusal(t, err, api.CodeUnavailable, tt.want)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("it repeats a password: %v", err)
			}
		})
	}
}

// An issuer with https can't send anybody to plain http, not even on this machine.
func TestNoWayDownFromHTTPS(t *testing.T) {
	t.Parallel()
	p := hostile.NewTLS(t)
	provider := func() *openid.Provider { return newProvider(p, func(c *openid.Config) { c.HTTP = p.Client() }) }
	if _, err := signIn(t, p, provider()); err != nil {
		t.Fatal(err)
	}
	p.Spoil(hostile.Spoils{Metadata: set("token_endpoint", "http://127.0.0.1:1/token")})
	_, err := provider().AuthURL(t.Context(), state, nonce, verifier)
	refusal(t, err, api.CodeUnavailable, "token_endpoint is plain http")

	_, err = newProvider(p, nil).AuthURL(t.Context(), state, nonce, verifier) // its certificate is nobody's
	refusal(t, err, api.CodeUnavailable, "certificate")
}

func TestAProviderThatIsDownAtFirst(t *testing.T) {
	t.Parallel()
	p := hostile.New(t)
	down := hostile.Spoils{Handlers: map[string]http.HandlerFunc{hostile.Discovery: func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}}}
	p.Spoil(down)
	clock := &clock{t: time.Unix(1_900_000_000, 0)}
	p.Now = clock.now
	provider := newProvider(p, func(c *openid.Config) { c.Now = clock.now })
	ask := func() error {
		_, err := provider.AuthURL(t.Context(), state, nonce, verifier)
		return err
	}
	for range 3 {
		refusal(t, ask(), api.CodeUnavailable, "closed")
	}
	// net/http asks once more on a connection that was closed, so the number is not simply 1.
	asked := p.Asked(hostile.Discovery)
	refusal(t, ask(), api.CodeUnavailable, "closed")
	if n := p.Asked(hostile.Discovery); n != asked {
		t.Errorf("it was asked again at once: %d, then %d times", asked, n)
	}
	p.Spoil(hostile.Spoils{})
	refusal(t, ask(), api.CodeUnavailable, "closed") // not before its time
	clock.t = clock.t.Add(3 * time.Second)
	if _, err := signIn(t, p, provider); err != nil {
		t.Fatal(err)
	}
	p.Spoil(down) // what it said is kept
	if err := ask(); err != nil {
		t.Error(err)
	}
}

func TestManySignInsAskOnce(t *testing.T) {
	t.Parallel()
	p := hostile.New(t)
	provider := newProvider(p, nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := provider.AuthURL(t.Context(), state, nonce, verifier); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := p.Asked(hostile.Discovery); n != 1 {
		t.Errorf("discovery was asked %d times", n)
	}
}

func TestAnIssuerThatIsNone(t *testing.T) {
	t.Parallel()
	p := hostile.New(t)
	_, err := newProvider(p, func(c *openid.Config) { c.Issuer = "http://id.example.com" }).AuthURL(t.Context(), state, nonce, verifier)
	refusal(t, err, api.CodeUnavailable, "not configured: the issuer is plain http")
}
