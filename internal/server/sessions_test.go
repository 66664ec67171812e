package server

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/pkg/api"
)

// sessions returns the user's sessions as the API lists them.
func (h *harness) sessions(who tenant) []api.Session {
	h.t.Helper()
	return decodeAs[api.SessionList](h.as(who, "GET", "/v1/sessions", "").want(http.StatusOK)).Sessions
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	second := tenant{org: h.acme.org, user: h.acme.user, token: h.signIn(h.acme.user, api.SessionCLI)}
	h.signIn(h.acme.user, api.SessionBrowser)
	made := h.newToken(h.acme, "ci", api.KeysRead, api.EventsRead)

	var kinds []api.SessionKind
	list := h.sessions(h.acme)
	for _, s := range list {
		kinds = append(kinds, s.Kind)
	}
	if diff := cmp.Diff([]api.SessionKind{api.SessionCLI, api.SessionCLI, api.SessionBrowser, api.SessionToken}, kinds); diff != "" {
		t.Fatal(diff)
	}
	first := list[0]
	want := api.Session{
		ID: first.ID, Kind: api.SessionCLI, Name: "keyfob", Host: "box", Hint: "kfs_…" + h.acme.token[len(h.acme.token)-4:],
		CreatedAt: first.CreatedAt, LastUsedAt: first.LastUsedAt, ExpiresAt: first.ExpiresAt,
	}
	if diff := cmp.Diff(want, first); diff != "" || first.LastUsedAt == nil {
		t.Errorf("%s, last used %v", diff, first.LastUsedAt)
	}
	raw := h.as(h.acme, "GET", "/v1/sessions", "")
	if !strings.Contains(string(raw.body), `"org":null,"permissions":null}`) || strings.Contains(string(raw.body), h.acme.token) {
		t.Errorf("%s", raw.body)
	}

	h.as(h.acme, "DELETE", "/v1/sessions/"+list[1].ID, "").want(http.StatusNoContent)
	h.as(second, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
	h.as(h.acme, "DELETE", "/v1/sessions/"+list[1].ID, "").problem(api.CodeSessionNotFound)
	for _, id := range []string{"x", "ses_00000000000000000000000000", h.sessions(h.globex)[0].ID, "%00", "..%2Fsession"} {
		h.as(h.acme, "DELETE", "/v1/sessions/"+id, "").problem(api.CodeSessionNotFound)
	}
	h.as(h.acme, "DELETE", "/v1/sessions/"+made.Token, "").problem(api.CodeSessionNotFound)

	ended := decodeAs[api.SessionsEnded](h.as(h.acme, "DELETE", "/v1/sessions", "").want(http.StatusOK))
	if ended != (api.SessionsEnded{Ended: 2, Tokens: 1}) {
		t.Errorf("%+v", ended)
	}
	h.as(h.acme, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
	h.call("GET", "/v1/session", "", "Authorization", "Bearer "+made.Token).want(http.StatusOK)
	h.as(h.globex, "GET", "/v1/session", "").want(http.StatusOK)
	if log := h.log.String(); strings.Contains(log, made.Token[4:]) || strings.Contains(log, h.acme.token[4:]) {
		t.Error("the log holds a token")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	expires := h.clock.Now().Add(90 * 24 * time.Hour).UTC().Truncate(time.Second)
	body := `{"name":"ci","permissions":["keys:write","keys:read"],"expires_at":"` + expires.Format(time.RFC3339) + `"}`
	made := decodeAs[api.TokenCreated](h.as(h.acme, "POST", "/v1/orgs/acme/tokens", body).want(http.StatusCreated))
	if !regexp.MustCompile(`^kfs_[0-9A-Za-z]{38}$`).MatchString(made.Token) {
		t.Errorf("token %q", made.Token)
	}
	slices.Sort(made.Session.Permissions)
	want := api.Session{
		ID: made.Session.ID, Kind: api.SessionToken, Name: "ci", Host: "box", Hint: "kfs_…" + made.Token[len(made.Token)-4:],
		CreatedAt: made.Session.CreatedAt, ExpiresAt: expires, Org: &h.acme.org.Slug,
		Permissions: []api.Permission{api.KeysRead, api.KeysWrite},
	}
	if diff := cmp.Diff(want, made.Session); diff != "" {
		t.Error(diff)
	}
	h.as(h.acme, "POST", "/v1/orgs/acme/tokens", body).problem(api.CodeNameTaken)

	ci := tenant{org: h.acme.org, user: h.acme.user, token: made.Token}
	info := decodeAs[api.SessionInfo](h.as(ci, "GET", "/v1/session", "").want(http.StatusOK))
	if info.Session.ID != made.Session.ID || info.User != api.User(h.acme.user) || len(info.Orgs) != 1 || info.Orgs[0].Slug != "acme" {
		t.Errorf("%+v", info)
	}
	h.as(ci, "POST", keysPath, `{"name":"k"}`).want(http.StatusCreated)
	h.as(ci, "POST", keysPath+"/k/reveal", "").problem(api.CodeForbidden)
	h.as(ci, "POST", keysPath+"/k/disable", "").want(http.StatusOK)
	h.as(ci, "DELETE", "/v1/sessions/"+made.Session.ID, "").problem(api.CodeForbidden)

	h.as(h.acme, "DELETE", "/v1/sessions/"+made.Session.ID, "").want(http.StatusNoContent)
	h.as(ci, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
	h.as(h.acme, "POST", "/v1/orgs/acme/tokens", body).want(http.StatusCreated) // the name is free again

	short := tenant{org: h.acme.org, token: h.newToken(h.acme, "short", api.KeysRead).Token}
	h.as(short, "GET", keysPath, "").want(http.StatusOK)
	h.clock.add(2 * time.Hour)
	h.as(short, "GET", keysPath, "").problem(api.CodeUnauthenticated)
}

func TestATokenHasWhatItsUserHas(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	admin := h.join(h.acme, "admin@example.com", api.RoleAdmin)
	ci := tenant{org: h.acme.org, token: h.newToken(admin, "ci", api.KeysRead, api.KeysWrite).Token}
	viewer := h.join(h.acme, "viewer@example.com", api.RoleViewer)
	h.as(viewer, "POST", "/v1/orgs/acme/tokens",
		`{"name":"ci","permissions":["keys:read","keys:write"],"expires_at":`+quote(h.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339))+`}`).
		problem(api.CodeForbidden)

	h.as(ci, "POST", keysPath, `{"name":"a"}`).want(http.StatusCreated)
	h.as(h.acme, "PATCH", "/v1/orgs/acme/members/"+admin.user.ID, `{"role":"viewer"}`).want(http.StatusOK)
	h.as(ci, "POST", keysPath, `{"name":"b"}`).problem(api.CodeForbidden)
	h.as(ci, "GET", keysPath, "").want(http.StatusOK)
	h.as(h.acme, "DELETE", "/v1/orgs/acme/members/"+admin.user.ID, "").want(http.StatusNoContent)
	h.as(ci, "GET", keysPath, "").problem(api.CodeUnauthenticated)
	h.as(admin, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
}

func TestABrowserSessionOpensNoJSON(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.signIn(h.acme.user, api.SessionBrowser)
	p := h.call("GET", "/v1/session", "", "Authorization", "Bearer "+token).problem(api.CodeUnauthenticated)
	if !strings.Contains(p.Detail, "cookie") {
		t.Errorf("detail %q", p.Detail)
	}
	h.call("GET", "/v1/session", "", "Cookie", "keyfob="+token).problem(api.CodeUnauthenticated)
	if _, err := h.core.Authenticate(t.Context(), token); err != nil {
		t.Errorf("the refusal ended it: %v", err)
	}
}
