package server

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestCreateKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	a := h.as(h.acme, "POST", "/v1/orgs/acme/keys",
		`{"name":"deploy","tags":{"env":"prod"},"expires_at":"2099-01-02T03:04:05+02:00"}`).want(http.StatusCreated)
	made := decodeAs[api.KeyWithSecret](a)
	if !regexp.MustCompile(`^kf_[0-9A-Za-z]{38}$`).MatchString(made.Secret) {
		t.Errorf("secret %q", made.Secret)
	}
	if got, want := a.header.Get("Location"), "/v1/orgs/acme/keys/"+made.Key.ID; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	if got := a.header.Get("ETag"); got != `"1"` {
		t.Errorf("ETag %q", got)
	}
	expires := time.Date(2099, 1, 2, 1, 4, 5, 0, time.UTC)
	hint := "kf_…" + made.Secret[len(made.Secret)-4:]
	want := api.Key{
		ID: made.Key.ID, Name: "deploy", Hint: hint, Status: api.StatusEnabled, CreatedAt: made.Key.CreatedAt,
		CreatedBy: api.Actor{Type: api.ActorUser, ID: h.acme.user.ID, Name: "acme owner"}, UpdatedAt: made.Key.CreatedAt,
		ExpiresAt: &expires, Tags: map[string]string{"env": "prod"}, Recoverable: true,
		Secrets: []api.SecretInfo{{Version: 1, Hint: hint, State: api.SecretCurrent, CreatedAt: made.Key.CreatedAt}},
	}
	if diff := cmp.Diff(want, made.Key); diff != "" {
		t.Error(diff)
	}
	again := h.as(h.acme, "GET", a.header.Get("Location"), "").want(http.StatusOK)
	if diff := cmp.Diff(want, decodeAs[api.KeyEnvelope](again).Key); diff != "" {
		t.Error(diff)
	}
	h.as(h.acme, "POST", "/v1/orgs/acme/keys", `{"name":"DEPLOY"}`).problem(api.CodeNameTaken)
	plain := h.as(h.acme, "POST", "/v1/orgs/acme/keys", `{"name":"plain","expires_at":null}`).want(http.StatusCreated)
	if !strings.Contains(string(plain.body), `"expires_at":null`) || !strings.Contains(string(plain.body), `"tags":{}`) {
		t.Errorf("a key without tags and expiry: %s", plain.body)
	}
}

func TestListKeys(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	empty := h.as(h.acme, "GET", "/v1/orgs/acme/keys", "").want(http.StatusOK)
	if got, want := strings.TrimSpace(string(empty.body)), `{"keys":[],"next_page_token":""}`; got != want {
		t.Errorf("no keys: %s", got)
	}
	var want []string
	for i := range 5 {
		name := fmt.Sprint("k", i)
		h.newKey(h.acme, name)
		want = append(want, name)
	}
	h.newKey(h.globex, "foreign")
	var got []string
	token := ""
	for range 3 {
		page := decodeAs[api.KeyList](h.as(h.acme, "GET", "/v1/orgs/acme/keys?limit=2&page_token="+url.QueryEscape(token), "").want(http.StatusOK))
		for _, k := range page.Keys {
			got = append(got, k.Name)
		}
		token = page.NextPageToken
	}
	if diff := cmp.Diff(want, got); diff != "" || token != "" {
		t.Errorf("%s, last token %q", diff, token)
	}
	h.as(h.acme, "POST", "/v1/orgs/acme/keys/k3/disable", "").want(http.StatusOK)
	page := decodeAs[api.KeyList](h.as(h.acme, "GET", "/v1/orgs/acme/keys?status=disabled", "").want(http.StatusOK))
	if len(page.Keys) != 1 || page.Keys[0].Name != "k3" {
		t.Errorf("disabled keys: %+v", page.Keys)
	}
	for query, names := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "limit=x": "limit", "status=on": "status", "page_token=x": "page token",
	} {
		p := h.as(h.acme, "GET", "/v1/orgs/acme/keys?"+query, "").problem(api.CodeInvalidRequest)
		if !strings.Contains(p.Detail, names) {
			t.Errorf("%s: %s", query, p.Detail)
		}
	}
}

func TestNamesInThePath(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, name := range []string{
		"a b", "a/b", "100%", "%2F", "a%2Fb", "..", ".", "a?b#c", "a+b", "ключ", "naïve", "a;b=c", "a//b", "\\", "@:&=$,",
	} {
		key, _ := h.newKey(h.acme, name)
		path := "/v1/orgs/acme/keys/" + url.PathEscape(name)
		if name == "." || name == ".." {
			path = "/v1/orgs/acme/keys/" + strings.ReplaceAll(name, ".", "%2E")
		}
		got := decodeAs[api.KeyEnvelope](h.as(h.acme, "GET", path, "").want(http.StatusOK)).Key
		if got.ID != key.ID || got.Name != name {
			t.Errorf("%q by its name: %+v", name, got)
		}
		h.as(h.acme, "POST", path+"/disable", "").want(http.StatusOK)
		h.as(h.acme, "DELETE", path, "").want(http.StatusNoContent)
		h.as(h.acme, "GET", path, "").problem(api.CodeKeyNotFound)
	}
}

func TestUpdateKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	const path = "/v1/orgs/acme/keys/k"
	patch := func(body string, header ...string) answer { return h.as(h.acme, "PATCH", path, body, header...) }

	a := patch(`{"tags":{"a":"1"},"expires_at":"2099-01-01T00:00:00Z"}`, "If-Match", `"1"`).want(http.StatusOK)
	k := decodeAs[api.KeyEnvelope](a).Key
	if a.header.Get("ETag") != `"2"` || k.Tags["a"] != "1" || k.ExpiresAt == nil {
		t.Errorf("ETag %s, %+v", a.header.Get("ETag"), k)
	}
	patch(`{"tags":{}}`, "If-Match", `"1"`).problem(api.CodePreconditionFailed)
	patch(`{"tags":{}}`, "If-Match", `"nonsense"`).problem(api.CodePreconditionFailed)
	patch(`{"tags":{}}`, "If-Match", `nonsense`).problem(api.CodeInvalidRequest)
	k = decodeAs[api.KeyEnvelope](patch(`{"name":"k"}`, "If-Match", `*`).want(http.StatusOK)).Key
	if k.ExpiresAt == nil || len(k.Tags) != 1 {
		t.Errorf("what was left out has changed: %+v", k)
	}
	k = decodeAs[api.KeyEnvelope](patch(`{"expires_at":null}`).want(http.StatusOK)).Key
	if k.ExpiresAt != nil || len(k.Tags) != 1 {
		t.Errorf("null did not take the expiry off alone: %+v", k)
	}
	h.as(h.acme, "DELETE", path, "", "If-Match", `"1"`).problem(api.CodePreconditionFailed)
	etag := h.as(h.acme, "GET", path, "").header.Get("ETag")
	h.as(h.acme, "DELETE", path, "", "If-Match", etag).want(http.StatusNoContent)
	h.as(h.acme, "DELETE", path, "").problem(api.CodeKeyNotFound)
}

func TestRevokedMeansRevoked(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "k")
	self := func() answer { return h.call("GET", "/v1/self", "", "X-API-Key", secret) }
	mcp := func() answer { return h.callMCP("", initialize, "X-API-Key", secret) }
	do := func(verb string) { h.as(h.acme, "POST", "/v1/orgs/acme/keys/k/"+verb, "").want(http.StatusOK) }

	got := decodeAs[api.Self](self().want(http.StatusOK))
	if got.Key.ID != key.ID || got.Org != api.Org(h.acme.org) {
		t.Errorf("self %+v", got)
	}
	if got.Key.LastUsedAt == nil {
		t.Error("the request that asks is no use")
	}
	if got.Secret.Version != 1 || got.Secret.State != api.SecretCurrent || got.MCP != h.server.MCP {
		t.Errorf("self %+v", got)
	}
	mcp().want(http.StatusOK)
	do("disable")
	do("disable")
	self().problem(api.CodeKeyDisabled)
	a := mcp()
	a.problem(api.CodeKeyDisabled)
	if got := a.header.Get("WWW-Authenticate"); got != `Bearer error="invalid_token"` {
		t.Errorf("WWW-Authenticate %q", got)
	}
	do("enable")
	self().want(http.StatusOK)
	expiry := h.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	h.as(h.acme, "PATCH", "/v1/orgs/acme/keys/k", `{"expires_at":"`+expiry+`"}`).want(http.StatusOK)
	h.clock.add(2 * time.Hour)
	self().problem(api.CodeKeyExpired)
	mcp().problem(api.CodeKeyExpired)
	h.as(h.acme, "DELETE", "/v1/orgs/acme/keys/k?acknowledge_recent_use=true", "").want(http.StatusNoContent)
	self().problem(api.CodeUnauthenticated)
	mcp().problem(api.CodeUnauthenticated)
}

func TestRevealAndActiveKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.as(h.acme, "GET", "/v1/orgs/acme/active-key", "").problem(api.CodeNoActiveKey)
	_, secretA := h.newKey(h.acme, "a")
	b, _ := h.newKey(h.acme, "b")
	active := func() string {
		return decodeAs[api.KeyEnvelope](h.as(h.acme, "GET", "/v1/orgs/acme/active-key", "").want(http.StatusOK)).Key.Name
	}
	if got := active(); got != "b" {
		t.Errorf("with no use, the active key is %s, not the newest", got)
	}
	h.call("GET", "/v1/self", "", "X-API-Key", secretA).want(http.StatusOK)
	if got := active(); got != "a" {
		t.Errorf("the active key is %s, not the one last used", got)
	}
	revealed := decodeAs[api.KeyWithSecret](h.as(h.acme, "POST", "/v1/orgs/acme/keys/a/reveal", "").want(http.StatusOK))
	if revealed.Secret != secretA || revealed.Key.Name != "a" {
		t.Errorf("revealed %+v", revealed.Key)
	}
	byID := h.as(h.acme, "POST", "/v1/orgs/"+h.acme.org.ID+"/keys/"+b.ID+"/reveal", "").want(http.StatusOK)
	if decodeAs[api.KeyWithSecret](byID).Key.ID != b.ID {
		t.Errorf("revealed %s", byID.body)
	}
	if strings.Contains(h.log.String(), secretA[4:]) {
		t.Error("the log holds a secret")
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := api.Membership{Org: api.Org(h.acme.org), Role: api.RoleOwner}
	info := decodeAs[api.SessionInfo](h.as(h.acme, "GET", "/v1/session", "").want(http.StatusOK))
	if info.User != api.User(h.acme.user) || len(info.Orgs) != 1 || info.Orgs[0] != acme {
		t.Errorf("session %+v", info)
	}
	got := info.Session
	want := api.Session{
		ID: got.ID, Kind: api.SessionCLI, Name: "keyfob", Host: "box", Hint: "kfs_…" + h.acme.token[len(h.acme.token)-4:],
		CreatedAt: got.CreatedAt, LastUsedAt: got.LastUsedAt, ExpiresAt: got.LastUsedAt.Add(core.IdleLimit),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	orgs := decodeAs[api.OrgList](h.as(h.acme, "GET", "/v1/orgs", "").want(http.StatusOK))
	if len(orgs.Orgs) != 1 || orgs.Orgs[0] != acme {
		t.Errorf("orgs %+v", orgs)
	}
	for _, ref := range []string{"acme", h.acme.org.ID} {
		mcp := decodeAs[api.MCPInfo](h.as(h.acme, "GET", "/v1/orgs/"+ref+"/mcp", "").want(http.StatusOK))
		if want := (api.MCPServer{Name: "keyfob", URL: "https://keys.example.com/mcp"}); mcp.MCP != want {
			t.Errorf("mcp %+v", mcp)
		}
	}
	h.as(h.acme, "DELETE", "/v1/session", "").want(http.StatusNoContent)
	h.as(h.acme, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
	h.as(h.globex, "GET", "/v1/session", "").want(http.StatusOK)
}
