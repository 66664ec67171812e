package openid_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/test/oidc/hostile"
)

// set is an edit that sets one claim.
func set(name string, value any) func(map[string]any) {
	return func(c map[string]any) { c[name] = value }
}

func TestIDTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claims := func(edit func(map[string]any)) hostile.Spoils { return hostile.Spoils{Claims: edit} }
	without := func(name string) hostile.Spoils {
		return claims(func(c map[string]any) { delete(c, name) })
	}
	signed := func(sign func(p *hostile.Provider, c map[string]any) string) hostile.Spoils {
		return hostile.Spoils{Sign: sign}
	}
	now := time.Now()
	tests := map[string]struct {
		spoils hostile.Spoils
		want   string
	}{
		"iss of another":         {claims(set("iss", "https://evil.example")), `iss is "https://evil.example"`},
		"iss missing":            {without("iss"), `iss is ""`},
		"iss a number":           {claims(set("iss", 7)), "right form"},
		"iss with a slash":       {claims(func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" }), "iss is"},
		"iss in upper case":      {claims(func(c map[string]any) { c["iss"] = strings.ToUpper(c["iss"].(string)) }), "iss is"},
		"aud of another":         {claims(set("aud", "other")), "aud is not"},
		"aud missing":            {without("aud"), "aud is not"},
		"aud empty":              {claims(set("aud", []string{})), "aud is not"},
		"aud of two":             {claims(set("aud", []string{hostile.ClientID, "other"})), "aud is not"},
		"aud of us twice":        {claims(set("aud", []string{hostile.ClientID, hostile.ClientID})), "aud is not"},
		"aud of a number":        {claims(set("aud", []any{7})), "right form"},
		"aud in upper case":      {claims(set("aud", strings.ToUpper(hostile.ClientID))), "aud is not"},
		"aud an object":          {claims(set("aud", map[string]any{"keyfob": true})), "right form"},
		"azp of another":         {claims(set("azp", "other")), `azp is "other"`},
		"azp empty":              {claims(set("azp", "")), `azp is ""`},
		"nonce missing":          {without("nonce"), "nonce"},
		"nonce of another":       {claims(set("nonce", "nonce-of-another-sign-in")), "nonce"},
		"nonce cut":              {claims(set("nonce", nonce[:5])), "nonce"},
		"sub empty":              {claims(set("sub", "")), "sub is not"},
		"sub missing":            {without("sub"), "sub is not"},
		"sub too long":           {claims(set("sub", strings.Repeat("a", 256))), "sub is not"},
		"sub a number":           {claims(set("sub", 12)), "right form"},
		"expired":                {claims(set("exp", now.Add(-5*time.Minute).Unix())), "exp is"},
		"exp missing":            {without("exp"), "exp is"},
		"exp a string":           {claims(set("exp", "1999999999")), "right form"},
		"exp of 1e300":           {claims(set("exp", 1e300)), "exp is"},
		"exp negative":           {claims(set("exp", -1)), "exp is"},
		"iat in the future":      {claims(set("iat", now.Add(5*time.Minute).Unix())), "iat is"},
		"iat missing":            {without("iat"), "iat is"},
		"iat a string":           {claims(set("iat", "1700000000")), "right form"},
		"nbf in the future":      {claims(set("nbf", now.Add(5*time.Minute).Unix())), "nbf is"},
		"nbf negative":           {claims(set("nbf", -1)), "nbf is"},
		"userinfo of another":    {hostile.Spoils{Claims: noEmail, Info: set("sub", "mallory")}, "somebody else"},
		"userinfo without a sub": {hostile.Spoils{Claims: noEmail, Info: func(c map[string]any) { delete(c, "sub") }}, "somebody else"},
		"alg none":               {signed(func(p *hostile.Provider, c map[string]any) string { return p.Unsigned(c) }), "signed with RS256"},
		"HS256 with the public key": {signed(func(p *hostile.Provider, c map[string]any) string {
			public, err := x509.MarshalPKIXPublicKey(p.Public())
			if err != nil {
				t.Error(err)
			}
			return p.Signed(jose.HS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), c)
		}), "signed with RS256"},
		"HS256 with the client secret": {signed(func(p *hostile.Provider, c map[string]any) string {
			return p.Signed(jose.HS256, []byte("a client secret of at least 32 bytes"), c)
		}), "signed with RS256"},
		"RS384":         {signed(func(p *hostile.Provider, c map[string]any) string { return p.Signed(jose.RS384, p.Key, c) }), "signed with RS256"},
		"another's key": {signed(func(p *hostile.Provider, c map[string]any) string { return p.Signed(jose.RS256, other, c) }), "none of its keys"},
		"changed after signing": {signed(func(p *hostile.Provider, c map[string]any) string {
			good := strings.Split(p.Signed(jose.RS256, p.Key, c), ".")
			c["sub"] = "mallory"
			good[1] = strings.Split(p.Signed(jose.RS256, p.Key, c), ".")[1]
			return strings.Join(good, ".")
		}), "none of its keys"},
		"no token":    {signed(func(*hostile.Provider, map[string]any) string { return "" }), "no ID token"},
		"two parts":   {signed(func(*hostile.Provider, map[string]any) string { return "a.b" }), "no signed JWT"},
		"five parts":  {signed(func(*hostile.Provider, map[string]any) string { return "a.b.c.d.e" }), "no signed JWT"},
		"JWS in JSON": {signed(func(*hostile.Provider, map[string]any) string { return `{"payload":"a.b.c"}` }), "no signed JWT"},
		"garbage":     {signed(func(*hostile.Provider, map[string]any) string { return "%.%.%" }), "no JWT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			p.Spoil(tt.spoils)
			_, err := signIn(t, p, newProvider(p, nil))
			refusal(t, err, api.CodeForbidden, tt.want)
		})
	}
}

// A claim that is there twice could be read as the one or the other.
func TestClaimsGivenTwice(t *testing.T) {
	t.Parallel()
	p := hostile.New(t)
	p.Spoil(hostile.Spoils{Sign: func(p *hostile.Provider, _ map[string]any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.Key, KeyID: hostile.KeyID}}, nil)
		if err != nil {
			t.Error(err)
			return ""
		}
		signed, err := signer.Sign([]byte(`{"sub":"alice-1","sub":"mallory"}`))
		if err != nil {
			t.Error(err)
			return ""
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Error(err)
		}
		return text
	}})
	_, err := signIn(t, p, newProvider(p, nil))
	refusal(t, err, api.CodeForbidden, "right form")
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_900_000_000, 0)
	tests := map[string]struct {
		claim  string
		offset time.Duration
		want   string
	}{
		"expired 29 s ago": {"exp", -29 * time.Second, ""},
		"expired 30 s ago": {"exp", -30 * time.Second, "exp is"},
		"issued in 30 s":   {"iat", 30 * time.Second, ""},
		"issued in 31 s":   {"iat", 31 * time.Second, "iat is"},
		"valid in 30 s":    {"nbf", 30 * time.Second, ""},
		"valid in 31 s":    {"nbf", 31 * time.Second, "nbf is"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			p.Now = func() time.Time { return now }
			p.Spoil(hostile.Spoils{Claims: set(tt.claim, now.Add(tt.offset).Unix())})
			_, err := signIn(t, p, newProvider(p, func(c *openid.Config) { c.Now = p.Now }))
			if tt.want == "" && err != nil {
				t.Fatal(err)
			}
			if tt.want != "" {
				refusal(t, err, api.CodeForbidden, tt.want)
			}
		})
	}
}

func TestCallbacksThatAreRefused(t *testing.T) {
	t.Parallel()
	const denied = "access was denied"
	tests := map[string]struct {
		edit func(url.Values)
		code api.Code
		want string
	}{
		"iss missing":       {func(q url.Values) { q.Del("iss") }, api.CodeInvalidRequest, "iss is missing"},
		"iss empty":         {func(q url.Values) { q.Set("iss", "") }, api.CodeInvalidRequest, `iss is ""`},
		"iss of another":    {func(q url.Values) { q.Set("iss", "https://evil.example") }, api.CodeInvalidRequest, "not of 127.0.0.1"},
		"iss with a slash":  {func(q url.Values) { q.Set("iss", q.Get("iss")+"/") }, api.CodeInvalidRequest, "not of 127.0.0.1"},
		"iss in upper case": {func(q url.Values) { q.Set("iss", strings.ToUpper(q.Get("iss"))) }, api.CodeInvalidRequest, "not of 127.0.0.1"},
		"iss twice":         {func(q url.Values) { q.Add("iss", "https://evil.example") }, api.CodeInvalidRequest, "iss twice"},
		"code twice":        {func(q url.Values) { q.Add("code", "x") }, api.CodeInvalidRequest, "code twice"},
		"code missing":      {func(q url.Values) { q.Del("code") }, api.CodeInvalidRequest, "no code"},
		"code empty":        {func(q url.Values) { q.Set("code", "") }, api.CodeInvalidRequest, "no code"},
		"code of 1 MiB":     {func(q url.Values) { q.Set("code", strings.Repeat("a", 1<<20)) }, api.CodeInvalidRequest, "1048576 bytes"},
		"code of another":   {func(q url.Values) { q.Set("code", "x-"+q.Get("code")) }, api.CodeForbidden, "used before or is too old"},
		"denied":            {func(q url.Values) { q.Set("error", "access_denied") }, api.CodeForbidden, denied},
		"denied by another": {func(q url.Values) {
			q.Set("error", "access_denied")
			q.Set("iss", "https://evil.example")
		}, api.CodeInvalidRequest, "not of 127.0.0.1"},
		"error twice": {func(q url.Values) { q["error"] = []string{"a", "b"} }, api.CodeInvalidRequest, "error twice"},
		"error empty": {func(q url.Values) { q.Set("error", "") }, api.CodeForbidden, "proper name"},
		"error that is HTML": {func(q url.Values) {
			q.Set("error", "<script>alert(1)</script>")
			q.Set("error_description", "<script>\x1b[2J\nalert(1)</script>")
		}, api.CodeForbidden, `it says "<script>\x1b[2J\nalert(1)</script>"`},
		"error of 1 MiB": {func(q url.Values) {
			q.Set("error", strings.Repeat("a", 1<<20))
			q.Set("error_description", strings.Repeat("é", 1<<20))
		}, api.CodeForbidden, "proper name"},
		"an error of its own": {func(q url.Values) { q.Set("error", "login_required") }, api.CodeForbidden, "login_required"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hostile.New(t)
			provider := newProvider(p, nil)
			query := p.Visit(authURL(t, provider))
			tt.edit(query)
			_, err := exchange(t, provider, query)
			refusal(t, err, tt.code, tt.want)
			if tt.code == api.CodeInvalidRequest && p.Asked(hostile.Token) != 0 {
				t.Error("the provider was sent a code that may be another's")
			}
		})
	}
}

func TestASignInIsOfOneBrowser(t *testing.T) {
	t.Parallel()
	p := hostile.New(t)
	provider := newProvider(p, nil)
	query := p.Visit(authURL(t, provider))
	_, err := provider.Exchange(t.Context(), query, nonce, "another-verifier-of-43-characters-or-more-than-that")
	refusal(t, err, api.CodeForbidden, "does not take the code")

	query = p.Visit(authURL(t, provider))
	_, err = provider.Exchange(t.Context(), query, "another-nonce", verifier)
	refusal(t, err, api.CodeForbidden, "nonce")
	_, err = provider.Exchange(t.Context(), query, nonce, verifier)
	refusal(t, err, api.CodeForbidden, "does not take the code") // it worked once
	if _, err := provider.Exchange(t.Context(), query, "", verifier); err == nil {
		t.Error("no nonce was fine")
	}
	if _, err := provider.Exchange(t.Context(), query, nonce, ""); err == nil {
		t.Error("no verifier was fine")
	}
}
