package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/pkg/api"
)

// identity is what an answer says of the key.
func (a answer) identity() []string {
	return []string{a.header.Get("Keyfob-Org"), a.header.Get("Keyfob-Key-Id"), a.header.Get("Keyfob-Key-Name")}
}

func TestAuthz(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "ci")
	bearer := []string{"Authorization", "Bearer " + secret}
	_, session := h.newKey(h.globex, "theirs")
	const ok api.Code = ""
	for name, tt := range map[string]struct {
		path   string
		header []string
		want   api.Code
	}{
		"bearer":               {"", bearer, ok},
		"header":               {"", []string{"X-API-Key", secret}, ok},
		"its org":              {"?org=acme", bearer, ok},
		"its org's id":         {"?org=" + h.acme.org.ID, bearer, ok},
		"another org":          {"?org=globex", bearer, api.CodeForbidden},
		"no such org":          {"?org=nosuch", bearer, api.CodeForbidden},
		"another org's key":    {"?org=acme", []string{"X-API-Key", session}, api.CodeForbidden},
		"an empty org":         {"?org=", bearer, api.CodeUnauthenticated},
		"two orgs":             {"?org=globex&org=acme", bearer, api.CodeUnauthenticated},
		"a broken query":       {"?org=acme;x=%", bearer, api.CodeUnauthenticated},
		"the path of Envoy":    {"/v1//a/../b%2Fc?org=globex&api_key=x", bearer, ok},
		"no key":               {"", nil, api.CodeUnauthenticated},
		"the query":            {"?api_key=" + secret, nil, api.CodeUnauthenticated},
		"the query of Envoy":   {"/x?api_key=" + secret, nil, api.CodeUnauthenticated},
		"a changed key":        {"", []string{"X-API-Key", flip(secret)}, api.CodeUnauthenticated},
		"two keys":             {"", append([]string{"X-API-Key", session}, bearer...), api.CodeUnauthenticated},
		"joined keys":          {"", []string{"X-API-Key", secret + "," + session}, api.CodeUnauthenticated},
		"a session":            {"", []string{"Authorization", "Bearer " + h.acme.token}, api.CodeUnauthenticated},
		"basic":                {"", []string{"Authorization", "Basic " + secret}, api.CodeUnauthenticated},
		"said to be somebody":  {"", []string{"Keyfob-Org", "acme", "Keyfob-Key-Id", key.ID}, api.CodeUnauthenticated},
		"a name of one's own":  {"", append([]string{"Keyfob-Org", "globex", "Keyfob-Key-Name", "root"}, bearer...), ok},
		"a site's own request": {"", append([]string{"Origin", "https://app.example", "Host", "app.example"}, bearer...), ok},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
				body := ""
				if method == "POST" || method == "PUT" {
					body = strings.Repeat("x", 2*maxBody)
				}
				a := h.call(method, "/v1/authz"+tt.path, body, tt.header...)
				if got := a.header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("%s: Cache-Control %q", method, got)
				}
				if tt.want == ok {
					a.want(http.StatusNoContent)
					if diff := cmp.Diff([]string{"acme", key.ID, "ci"}, a.identity()); diff != "" || len(a.body) > 0 {
						t.Errorf("%s: %s%s", method, a.body, diff)
					}
					continue
				}
				info, _ := tt.want.Info()
				a.want(info.Status)
				if diff := cmp.Diff([]string{"", "", ""}, a.identity()); diff != "" {
					t.Errorf("%s: a refusal says whose it is: %s", method, diff)
				}
				if got := a.header.Get("WWW-Authenticate"); (got != "") != (info.Status == http.StatusUnauthorized) {
					t.Errorf("%s: WWW-Authenticate %q", method, got)
				}
				if method != "HEAD" {
					a.problem(tt.want)
				}
			}
		})
	}
}

func TestAuthzFollowsTheKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "Straße’s 100% “鍵”, a/b; c")
	path := keysPath + "/" + key.ID
	ask := func() answer { return h.call("GET", "/v1/authz", "", "X-API-Key", secret) }
	a := ask().want(http.StatusNoContent)
	name := a.header.Get("Keyfob-Key-Name")
	if plain, err := url.PathUnescape(name); err != nil || plain != key.Name {
		t.Errorf("the name %q is %q: %v", name, plain, err)
	}
	if strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`",;\`, c) }) {
		t.Errorf("the name %q is not safe in a header", name)
	}
	h.as(h.acme, "POST", path+"/disable", "").want(http.StatusOK)
	ask().problem(api.CodeKeyDisabled)
	h.as(h.acme, "POST", path+"/enable", "").want(http.StatusOK)
	ask().want(http.StatusNoContent)
	h.as(h.acme, "DELETE", path+"?acknowledge_recent_use=true", "").want(http.StatusNoContent)
	ask().problem(api.CodeUnauthenticated)
}

func TestAuthzIsQuiet(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, secret := h.newKey(h.acme, "ci")
	h.call("GET", "/v1/authz/x?y", "", "X-API-Key", secret).want(http.StatusNoContent)
	h.call("GET", "/v1/authz/x?y", "", "X-API-Key", flip(secret)).want(http.StatusUnauthorized)
	log := h.log.String()
	if !strings.Contains(log, "level=DEBUG msg=request method=GET route=/v1/authz status=204") ||
		!strings.Contains(log, "level=INFO msg=request method=GET route=/v1/authz status=401") {
		t.Errorf("the log:\n%s", log)
	}
	if strings.Contains(log, "x?y") || strings.Contains(log, secret[3:]) {
		t.Error("the log holds a path, a query or a key")
	}
}

// TestPathsLikeAuthz are no other way in.
func TestPathsLikeAuthz(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, secret := h.newKey(h.acme, "ci")
	for _, path := range []string{"/v1/authzx", "/v1/authz.json", "//v1/authz", "/v1//authz", "/v1/x/../authz", "/V1/authz"} {
		h.call("GET", path, "", "X-API-Key", secret).problem(api.CodeNotFound)
	}
}

func TestVerifyKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "ci ü")
	_, theirs := h.newKey(h.globex, "theirs")
	verify := func(who tenant, secret string) api.Verification {
		t.Helper()
		return decodeAs[api.Verification](h.as(who, "POST", "/v1/keys/verify", `{"secret":`+quote(secret)+`}`).want(http.StatusOK))
	}
	org := api.Org(h.acme.org)
	valid := api.Verification{Valid: true, Org: &org, Key: &api.VerifiedKey{ID: key.ID, Name: "ci ü", SecretVersion: 1}}
	unknown := api.Verification{Code: api.CodeUnauthenticated}
	program := tenant{org: h.acme.org, token: h.newToken(h.acme, "api", api.KeysRead).Token}
	equal := func(what string, got, want api.Verification) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	equal("a token", verify(program, secret), valid)
	equal("a session", verify(h.acme, secret), valid)
	equal("another org's", verify(program, theirs), unknown)
	equal("from another org", verify(h.globex, secret), unknown)
	for _, junk := range []string{"", "x", flip(secret), h.acme.token, strings.Repeat("k", 1000), secret + "\n", "\x00"} {
		equal("junk", verify(program, junk), unknown)
	}
	h.as(h.acme, "POST", keysPath+"/"+key.ID+"/disable", "").want(http.StatusOK)
	equal("disabled", verify(program, secret), api.Verification{Code: api.CodeKeyDisabled})
	equal("disabled, another org's", verify(h.globex, secret), unknown)

	other := tenant{org: h.acme.org, token: h.newToken(h.acme, "other", api.MembersRead).Token}
	h.as(other, "POST", "/v1/keys/verify", `{"secret":"x"}`).problem(api.CodeForbidden)
	for _, body := range []string{`{}`, `{"secret":null}`, `{"secret":1}`, `{"secret":"x","org":"acme"}`, `[]`, ``} {
		h.as(program, "POST", "/v1/keys/verify", body, "Content-Type", "application/json").problem(api.CodeInvalidRequest)
	}
	h.call("POST", "/v1/keys/verify", `{"secret":"x"}`, "Content-Type", "application/json", "X-API-Key", secret).problem(api.CodeUnauthenticated)
	h.as(program, "GET", "/v1/keys/verify", "").problem(api.CodeMethodNotAllowed)
	if strings.Contains(h.log.String(), secret[3:]) {
		t.Error("the log holds a key")
	}
}
