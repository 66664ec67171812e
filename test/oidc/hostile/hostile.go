// Package hostile is an OpenID provider for tests, each of whose answers a test can spoil. Unspoiled it does what the
// standards ask, and refuses a client that does not: PKCE, the client's secret and one use of a code are checked.
//
// It must not know the service under test.
package hostile

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The only client, and the id of the key that signs.
const (
	ClientID = "keyfob"
	KeyID    = "key-1"
)

// The paths of the endpoints.
const (
	Discovery = "/.well-known/openid-configuration"
	Authorize = "/authorize"
	Token     = "/token"
	Keys      = "/keys"
	UserInfo  = "/userinfo"
)

// Spoils are what a test changes; nil members change nothing.
type Spoils struct {
	// Handlers answer instead of the endpoint at their path.
	Handlers map[string]http.HandlerFunc
	// Metadata, Claims and Info edit the discovery document, the ID token's claims and the answer of UserInfo.
	Metadata, Claims, Info func(map[string]any)
	// Sign makes the ID token instead of RS256 with the key that Keys shows.
	Sign func(p *Provider, claims map[string]any) string
	// Callback edits the query that the browser is sent back with.
	Callback func(url.Values)
}

// Provider is the provider. It signs everybody in as Alice, and asks nothing.
type Provider struct {
	*httptest.Server

	Key    *rsa.PrivateKey
	Secret string // of the client; empty: it is a public one
	Now    func() time.Time

	t      testing.TB
	mu     sync.Mutex
	spoils Spoils
	codes  map[string]request
	asked  map[string]int
}

// request is an authentication request that a code was given for.
type request struct{ redirect, nonce, challenge string }

// New starts a provider that ends with the test.
func New(tb testing.TB) *Provider {
	tb.Helper()
	p := newProvider(tb)
	p.Server = httptest.NewServer(p)
	tb.Cleanup(p.Close)
	return p
}

// NewTLS is New with https.
func NewTLS(tb testing.TB) *Provider {
	tb.Helper()
	p := newProvider(tb)
	p.Server = httptest.NewTLSServer(p)
	tb.Cleanup(p.Close)
	return p
}

// providerKey is one key for all providers: making one takes up to a second.
//
//nolint:gochecknoglobals // a constant that can't be written as one
var providerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return key
})

func newProvider(tb testing.TB) *Provider {
	tb.Helper()
	return &Provider{t: tb, Key: providerKey(), Now: time.Now, codes: map[string]request{}, asked: map[string]int{}}
}

// Spoil sets what is spoiled from now on.
func (p *Provider) Spoil(s Spoils) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoils = s
}

// Asked is how often the endpoint at path was asked.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	spoils := p.spoils
	p.mu.Unlock()
	if instead := spoils.Handlers[r.URL.Path]; instead != nil {
		instead(w, r)
		return
	}
	switch r.URL.Path {
	case Discovery:
		p.discovery(w, spoils)
	case Authorize:
		p.authorize(w, r, spoils)
	case Token:
		p.token(w, r, spoils)
	case Keys:
		answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: p.Key.Public(), KeyID: KeyID, Algorithm: string(jose.RS256), Use: "sig"},
		}})
	case UserInfo:
		info := map[string]any{"sub": "alice-1", "email": "alice@acme.example", "email_verified": true, "name": "Alice"}
		edit(spoils.Info, info)
		answer(w, http.StatusOK, info)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) discovery(w http.ResponseWriter, spoils Spoils) {
	doc := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + Authorize, "token_endpoint": p.URL + Token,
		"jwks_uri": p.URL + Keys, "userinfo_endpoint": p.URL + UserInfo,
		"response_types_supported":                       []string{"code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256", "ES256", "HS256", "none"},
		"code_challenge_methods_supported":               []string{"plain", "S256"},
		"authorization_response_iss_parameter_supported": true,
	}
	edit(spoils.Metadata, doc)
	answer(w, http.StatusOK, doc)
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request, spoils Spoils) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		q.Get("code_challenge") == "" || q.Get("nonce") == "" || q.Get("redirect_uri") == "" {
		http.Error(w, "not an authentication request of this client's", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = request{q.Get("redirect_uri"), q.Get("nonce"), q.Get("code_challenge")}
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	if spoils.Callback != nil {
		spoils.Callback(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request, spoils Spoils) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != ClientID || secret != p.Secret {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	code := r.PostFormValue("code")
	p.mu.Lock()
	given, known := p.codes[code]
	delete(p.codes, code)
	p.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !known || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != given.redirect ||
		base64.RawURLEncoding.EncodeToString(challenge[:]) != given.challenge {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "code " + code})
		return
	}
	now := p.Now()
	claims := map[string]any{
		"iss": p.URL, "sub": "alice-1", "aud": ClientID, "nonce": given.nonce,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": "alice@acme.example", "email_verified": true, "name": "Alice",
	}
	edit(spoils.Claims, claims)
	sign := spoils.Sign
	if sign == nil {
		sign = func(p *Provider, c map[string]any) string { return p.Signed(jose.RS256, p.Key, c) }
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 3600, "id_token": sign(p, claims),
	})
}

// Signed is a JWT signed with a key; the header names KeyID.
func (p *Provider) Signed(alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: KeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.t.Error(err)
	}
	return text
}

// Unsigned is a JWT with the algorithm none (RFC 7515 appendix A.5).
func (p *Provider) Unsigned(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"` + KeyID + `"}`))
	return header + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
}

// Public is the key that Keys shows.
func (p *Provider) Public() crypto.PublicKey { return p.Key.Public() }

// Visit does what the browser does: it goes to the provider and returns the query that it is sent back with.
func (p *Provider) Visit(authURL string) url.Values {
	p.t.Helper()
	client := *p.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, authURL, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		p.t.Fatalf("the provider answered %d and sends nobody back", resp.StatusCode)
	}
	return back.Query()
}

func edit(by func(map[string]any), doc map[string]any) {
	if by != nil {
		by(doc)
	}
}

func answer(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc)
}
