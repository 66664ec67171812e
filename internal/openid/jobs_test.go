package openid_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/test/oidc/issuer"
)

const aud = "https://keys.example.com"

func newIssuer(t *testing.T) *issuer.Issuer {
	t.Helper()
	i := issuer.Start()
	t.Cleanup(i.Close)
	return i
}

// verify checks a token at a time, and wants an error that holds why, or none.
func verify(t *testing.T, j *openid.Jobs, i *issuer.Issuer, token string, now time.Time, why string) {
	t.Helper()
	_, err := j.Verify(t.Context(), i.URL, token, now)
	if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
		t.Fatalf("%v, want %q", err, why)
	}
	if err != nil && strings.Contains(err.Error(), "eyJ") {
		t.Fatalf("the error holds a token: %v", err)
	}
}

func serve(doc any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(doc) }
}

// TestIssuersThatAnswerBadly is 118: none of them has the service fetch without end or from elsewhere.
func TestIssuersThatAnswerBadly(t *testing.T) {
	t.Parallel()
	elsewhere := newIssuer(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	many := make([]any, 101)
	for n := range many {
		many[n] = map[string]any{"kty": "oct", "kid": strconv.Itoa(n), "k": "AA"}
	}
	redirect := http.RedirectHandler(elsewhere.URL+issuer.Keys, http.StatusFound).ServeHTTP
	endless := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[`))
		for range 200 { // MiB
			if _, err := w.Write([]byte(strings.Repeat(" ", 1<<20))); err != nil {
				return
			}
		}
	}
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	jwks := func(keys ...jose.JSONWebKey) http.HandlerFunc { return serve(jose.JSONWebKeySet{Keys: keys}) }
	for name, tt := range map[string]struct {
		path string
		with http.HandlerFunc
		why  string
	}{
		"discovery redirects":     {issuer.Discovery, redirect, "redirect"},
		"keys redirect":           {issuer.Keys, redirect, "redirect"},
		"200 MiB of discovery":    {issuer.Discovery, endless, "more than 1048576 bytes"},
		"200 MiB of keys":         {issuer.Keys, endless, "more than 1048576 bytes"},
		"no keys":                 {issuer.Keys, serve(map[string]any{"keys": []any{}}), "none that are usable"},
		"too many keys":           {issuer.Keys, serve(map[string]any{"keys": many}), "101 of them"},
		"slow keys":               {issuer.Keys, slow, "took too long"},
		"slow discovery":          {issuer.Discovery, slow, "took too long"},
		"another issuer":          {issuer.Discovery, serve(map[string]any{"issuer": elsewhere.URL, "jwks_uri": elsewhere.URL + issuer.Keys}), "of the issuer"},
		"keys by plain http":      {issuer.Discovery, nil, "plain http"},
		"no JSON":                 {issuer.Keys, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "something else"},
		"500":                     {issuer.Keys, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500"},
		"a key that is too small": {issuer.Keys, jwks(jose.JSONWebKey{Key: small.Public(), KeyID: issuer.RSA}), "none that are usable"},
		"a key to encrypt with":   {issuer.Keys, jwks(jose.JSONWebKey{Key: elsewhere.RSA.Public(), KeyID: issuer.RSA, Use: "enc"}), "none that are usable"},
		"a symmetric key":         {issuer.Keys, jwks(jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: issuer.RSA}), "none that are usable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, j := newIssuer(t), openid.NewJobs(nil, true)
			if tt.with == nil {
				tt.with = serve(map[string]any{"issuer": i.URL, "jwks_uri": "http://keys.example.com/keys"})
			}
			i.Answer(tt.path, tt.with)
			begin := time.Now()
			verify(t, j, i, i.Sign(i.GitHub(aud)), begin, tt.why)
			verify(t, j, i, i.Sign(i.GitHub(aud)), begin.Add(9*time.Second), tt.why) // told without asking again
			if n := i.Asked(issuer.Discovery); n != 1 {
				t.Errorf("asked %d times", n)
			}
			if took := time.Since(begin); took > 8*time.Second {
				t.Errorf("it took %s", took)
			}
			i.Answer(tt.path, nil)
			verify(t, j, i, i.Sign(i.GitHub(aud)), begin.Add(11*time.Second), "")
		})
	}
}

func TestKeysOfAnIssuer(t *testing.T) {
	t.Parallel()
	i, j, now := newIssuer(t), openid.NewJobs(nil, true), time.Now()
	asked := func(want int) {
		t.Helper()
		if n := i.Asked(issuer.Keys); n != want {
			t.Fatalf("the keys were asked %d times, want %d", n, want)
		}
	}
	unknown := issuer.SignWith(jose.RS256, i.RSA, "new", nil, i.GitHub(aud))
	for range 3 {
		verify(t, j, i, i.Sign(i.GitHub(aud)), now, "")
	}
	asked(1)
	verify(t, j, i, unknown, now.Add(59*time.Second), "no key of this kid")
	asked(1)
	for range 3 { // one refresh, whoever asks for how many kids
		verify(t, j, i, unknown, now.Add(61*time.Second), "no key of this kid")
	}
	asked(2)
	// Neither an empty set nor a failure takes the place of what is known.
	i.Answer(issuer.Keys, serve(map[string]any{"keys": []any{}}))
	verify(t, j, i, unknown, now.Add(122*time.Second), "can't be read")
	verify(t, j, i, i.Sign(i.GitHub(aud)), now.Add(122*time.Second), "")
	i.Answer(issuer.Keys, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	later := i.GitHub(aud)
	later["exp"] = now.Add(3 * time.Hour).Unix()
	verify(t, j, i, i.Sign(later), now.Add(2*time.Hour), "")
	asked(4)
	// A key that the issuer takes back is not taken for longer than an hour.
	set := i.Set()
	set.Keys = set.Keys[1:]
	i.Answer(issuer.Keys, serve(set))
	verify(t, j, i, i.Sign(later), now.Add(2*time.Hour+61*time.Second), "no key of this kid")
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	i, j := newIssuer(t), openid.NewJobs(nil, true)
	now := time.Unix(time.Now().Unix(), 0)
	for name, tt := range map[string]struct {
		claim string
		off   time.Duration
		why   string
	}{
		"exp 29 s ago":    {"exp", -29 * time.Second, ""},
		"exp 30 s ago":    {"exp", -30 * time.Second, "exp is past"},
		"nbf in 30 s":     {"nbf", 30 * time.Second, ""},
		"nbf in 31 s":     {"nbf", 31 * time.Second, "nbf"},
		"iat in 30 s":     {"iat", 30 * time.Second, ""},
		"iat in 31 s":     {"iat", 31 * time.Second, "iat"},
		"exp in 24 hours": {"exp", 24 * time.Hour, ""},
	} {
		claims := i.GitHub(aud)
		claims[tt.claim] = now.Add(tt.off).Unix()
		t.Log(name)
		verify(t, j, i, i.Sign(claims), now, tt.why)
	}
}

func TestIssuersOfJobs(t *testing.T) {
	t.Parallel()
	for url, local := range map[string]bool{
		"https://token.actions.githubusercontent.com": false, "https://gitlab.example.com:8443": false,
		"http://127.0.0.1:1": true, "https://127.0.0.1": true, "https://localhost": true, "http://[::1]:1": true, "https://0.0.0.0": true,
	} {
		if err := openid.NewJobs(nil, false).CheckIssuer(url); (err != nil) != local {
			t.Errorf("%s: %v", url, err)
		}
		if err := openid.NewJobs(nil, true).CheckIssuer(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	// Nor do keys lead there.
	i := newIssuer(t)
	if _, err := openid.NewJobs(nil, false).Verify(context.WithoutCancel(t.Context()), i.URL, i.Sign(i.GitHub(aud)), time.Now()); err == nil || i.Asked(issuer.Discovery) > 0 {
		t.Errorf("%v, asked %d times", err, i.Asked(issuer.Discovery))
	}
}
