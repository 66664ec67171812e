// Package issuer is a platform's OIDC issuer for tests: with real keys, discovery and JWKS, it signs whatever tokens of jobs a test
// needs, good and bad. It must not know the service under test.
package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The ids of the keys that the issuer shows.
const (
	RSA = "rsa-1"
	EC  = "ec-1"
)

// The paths that it answers.
const (
	Discovery = "/.well-known/openid-configuration"
	Keys      = "/keys"
	Request   = "/request" // as GitHub's runner has it: a token for the audience in the query, for who knows Bearer
)

// Bearer is what Request wants.
const Bearer = "request-token-of-this-job"

// Issuer is the issuer.
type Issuer struct {
	*httptest.Server

	RSA *rsa.PrivateKey
	EC  *ecdsa.PrivateKey
	Now func() time.Time

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	asked    map[string]int
	claims   map[string]any
}

// keys are made once: an RSA key takes up to a second.
//
//nolint:gochecknoglobals // a constant that can't be written as one
var keys = sync.OnceValue(func() (k struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
},
) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048) // crypto/rand never fails
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

// Start starts an issuer on loopback; whoever does closes it.
func Start() *Issuer {
	i := &Issuer{RSA: keys().rsa, EC: keys().ec, Now: time.Now, handlers: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	i.Server = httptest.NewServer(i)
	return i
}

// Answer has a handler answer at a path instead; nil: the issuer's own again.
func (i *Issuer) Answer(path string, h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handlers[path] = h
}

// Asked is how often a path was asked.
func (i *Issuer) Asked(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// Job sets the claims of the tokens that Request gives.
func (i *Issuer) Job(claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = maps.Clone(claims)
}

// ServeHTTP implements http.Handler.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked[r.URL.Path]++
	instead, claims := i.handlers[r.URL.Path], maps.Clone(i.claims)
	i.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	switch r.URL.Path {
	case Discovery:
		reply(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + Keys, "id_token_signing_alg_values_supported": []string{"RS256", "ES256"}})
	case Keys:
		reply(w, i.Set())
	case Request:
		if r.Header.Get("Authorization") != "Bearer "+Bearer || r.URL.Query().Get("audience") == "" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		c := i.Claims(r.URL.Query().Get("audience"))
		maps.Copy(c, claims)
		reply(w, map[string]any{"value": i.Sign(c)})
	default:
		http.NotFound(w, r)
	}
}

// Set is what Keys shows.
func (i *Issuer) Set() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: i.RSA.Public(), KeyID: RSA, Algorithm: string(jose.RS256), Use: "sig"},
		{Key: i.EC.Public(), KeyID: EC, Algorithm: string(jose.ES256), Use: "sig"},
	}}
}

func reply(w http.ResponseWriter, doc any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc)
}

// Claims are those that every token of a job has, each time with another jti.
func (i *Issuer) Claims(audience string) map[string]any {
	now := i.Now()
	return map[string]any{
		"iss": i.URL, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

// GitHub are the claims of a job of GitHub Actions on the branch main of acme/app, in the environment prod.
func (i *Issuer) GitHub(audience string) map[string]any {
	c := i.Claims(audience)
	maps.Copy(c, map[string]any{
		"sub": "repo:acme/app:environment:prod", "repository": "acme/app", "repository_owner": "acme", "repository_id": "1001",
		"repository_owner_id": "42", "environment": "prod", "ref": "refs/heads/main", "sha": strings.Repeat("a", 40), "event_name": "push",
		"run_id": "77", "actor": "ada", "job_workflow_ref": "acme/app/.github/workflows/rotate.yml@refs/heads/main",
	})
	return c
}

// GitLab are the claims of a job of GitLab CI on the branch main of acme/app.
func (i *Issuer) GitLab(audience string) map[string]any {
	c := i.Claims(audience)
	maps.Copy(c, map[string]any{
		"sub": "project_path:acme/app:ref_type:branch:ref:main", "project_path": "acme/app", "project_id": "7", "namespace_id": "3",
		"ref": "main", "ref_path": "refs/heads/main", "pipeline_source": "push", "pipeline_id": "5", "job_id": "6", "user_login": "ada",
	})
	return c
}

// Sign signs with RS256 and the key RSA.
func (i *Issuer) Sign(claims map[string]any) string {
	return SignWith(jose.RS256, i.RSA, RSA, nil, claims)
}

// SignWith signs claims with a key; header holds further members.
func SignWith(alg jose.SignatureAlgorithm, key any, kid string, header map[jose.HeaderKey]any, claims map[string]any) string {
	return SignBytes(alg, key, kid, header, must(json.Marshal(claims)))
}

// SignBytes is SignWith for a payload of any form.
func SignBytes(alg jose.SignatureAlgorithm, key any, kid string, header map[jose.HeaderKey]any, payload []byte) string {
	opts := (&jose.SignerOptions{}).WithType("JWT")
	for name, value := range header {
		opts = opts.WithHeader(name, value)
	}
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, opts))
	return must(must(signer.Sign(payload)).CompactSerialize())
}

// Raw is a token of a header and claims with any signature, none included.
func Raw(header, claims any, signature string) string {
	encode := func(v any) string { return base64.RawURLEncoding.EncodeToString(must(json.Marshal(v))) }
	return encode(header) + "." + encode(claims) + "." + signature
}

// must is for what fails only if the test itself is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("issuer: %w", err))
	}
	return v
}
