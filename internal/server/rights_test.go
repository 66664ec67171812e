package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// rights is what an operation answers to those who may not do everything; empty: it does what is asked.
type rights struct {
	stranger api.Code // a session of a user who is in another org
	viewer   api.Code // a session of a viewer
	reader   api.Code // an owner's token with keys:read
	token    api.Code // an owner's token with every permission
}

// rightsTable has a row for every operation that takes a session.
func rightsTable() map[string]rights {
	const (
		yes     = api.Code("")
		no      = api.CodeForbidden
		foreign = api.CodeOrgNotFound
	)
	return map[string]rights{
		"getSession":    {yes, yes, yes, yes},
		"deleteSession": {yes, yes, yes, yes},
		"listSessions":  {yes, yes, no, no},
		"endSessions":   {yes, yes, no, no},
		"endSession":    {api.CodeSessionNotFound, yes, no, no},
		"listOrgs":      {yes, yes, yes, yes},
		"createToken":   {foreign, yes, no, no},
		"listMembers":   {foreign, yes, no, yes},
		"addMember":     {foreign, no, no, yes},
		"updateMember":  {foreign, no, no, yes},
		"removeMember":  {foreign, no, no, yes},
		"listKeys":      {foreign, yes, yes, yes},
		"createKey":     {foreign, no, no, yes},
		"getKey":        {foreign, yes, yes, yes},
		"updateKey":     {foreign, no, no, yes},
		"deleteKey":     {foreign, no, no, yes},
		"disableKey":    {foreign, no, no, yes},
		"enableKey":     {foreign, no, no, yes},
		"revealKey":     {foreign, no, no, yes},
		"getKeyUsage":   {foreign, yes, yes, yes},

		"listRotations":   {foreign, yes, yes, yes},
		"openRotation":    {foreign, no, no, yes},
		"getRotation":     {foreign, yes, yes, yes},
		"deliverRotation": {foreign, no, no, yes},
		"proveRotation":   {foreign, no, no, yes},
		"promoteRotation": {foreign, no, no, yes},
		"retireRotation":  {foreign, no, no, yes},
		"cancelRotation":  {foreign, no, no, yes},

		"verifyKey":       {yes, yes, yes, yes},
		"lookupKey":       {foreign, yes, yes, yes},
		"listEvents":      {foreign, no, no, yes},
		"listTrustRules":  {foreign, no, no, yes},
		"createTrustRule": {foreign, no, no, no},
		"deleteTrustRule": {foreign, no, no, no},

		"getActiveKey": {foreign, yes, yes, yes},
		"getMCP":       {foreign, yes, yes, yes},
	}
}

// caller is a kind of credential. Its function makes a new one, since some operations end what asks for them.
type caller struct {
	name  string
	token func(fresh string) string
	want  func(r route, row rights) api.Code
}

// callers are all but those whose credential is no session token: TestEveryRouteWantsItsCredential has them.
func (h *harness) callers() []caller {
	h.t.Helper()
	viewer := h.join(h.acme, "viewer@example.com", api.RoleViewer)
	owner := h.join(h.acme, "owner@example.com", api.RoleOwner)
	stranger := h.join(h.globex, "stranger@example.com", api.RoleOwner)
	h.join(h.globex, "owner@example.com", api.RoleOwner) // a token for acme must not open globex all the same
	_, key := h.newKey(h.acme, "credential")
	session := func(user core.User, kind api.SessionKind) func(string) string {
		return func(string) string { return h.signIn(user, kind) }
	}
	token := func(permissions ...api.Permission) func(string) string {
		return func(fresh string) string {
			now := tenant{org: h.acme.org, token: h.signIn(owner.user, api.SessionCLI)}
			return h.newToken(now, fresh, permissions...).Token
		}
	}
	always := func(code api.Code) func(route, rights) api.Code {
		return func(route, rights) api.Code { return code }
	}
	return []caller{
		{"nobody", func(string) string { return "" }, always(api.CodeUnauthenticated)},
		{"key", func(string) string { return key }, always(api.CodeUnauthenticated)},
		{"browser", session(owner.user, api.SessionBrowser), always(api.CodeUnauthenticated)},
		{"stranger", session(stranger.user, api.SessionCLI), func(_ route, row rights) api.Code { return row.stranger }},
		{"viewer", session(viewer.user, api.SessionCLI), func(_ route, row rights) api.Code { return row.viewer }},
		{"reader", token(api.KeysRead), func(_ route, row rights) api.Code { return row.reader }},
		{"token", token(api.Permissions()...), func(_ route, row rights) api.Code { return row.token }},
		{"owner", session(owner.user, api.SessionCLI), always("")},
		{"elsewhere", token(api.Permissions()...), func(r route, row rights) api.Code {
			if row.token == "" && strings.Contains(r.pattern, "{org}") {
				return api.CodeOrgNotFound
			}
			return row.token // what no token may do is told before the org is looked for
		}},
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	callers := h.callers()
	rows := rightsTable()
	for _, r := range h.server.routes() {
		if r.auth != authSession {
			continue
		}
		row, ok := rows[r.operation]
		if !ok {
			t.Errorf("the table of rights lacks %s", r.operation)
			continue
		}
		delete(rows, r.operation)
		for _, c := range callers {
			h.tryAs(r, c, c.want(r, row))
		}
	}
	for operation := range rows {
		t.Errorf("there is no operation %s", operation)
	}
}

// tryAs sends a request of its own things as a caller and compares the answer's code.
func (h *harness) tryAs(r route, c caller, want api.Code) {
	h.t.Helper()
	of := things{org: "acme", fresh: strings.ToLower(r.operation) + "-" + c.name, session: "x"}
	if c.name == "elsewhere" {
		of.org = "globex"
	}
	token := c.token(of.fresh)
	if strings.Contains(r.pattern, "{key}") {
		key, _ := h.newKey(h.acme, "of-"+of.fresh)
		of.key = key.ID
	}
	if strings.Contains(r.pattern, "{rotation}") {
		of.rotation = h.rotationFor(r.operation, of.key)
	}
	if strings.Contains(r.pattern, "{member}") {
		of.member = h.join(h.acme, "of-"+of.fresh+"@example.com", api.RoleViewer).user.ID
	}
	if strings.Contains(r.pattern, "{rule}") {
		of.rule = h.trustRule(of.fresh)
	}
	if strings.Contains(r.pattern, "{session}") {
		of.session = h.sessionOf(c, token)
	}
	path, body, media := r.request(of)
	if r.operation == "lookupKey" {
		_, secret := h.newKey(h.acme, "lookup-"+c.name)
		body = `{"secret":` + quote(secret) + `}`
	}
	header := []string{"Content-Type", media}
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	a := h.call(r.method, path, body, header...)
	switch got := decodeCode(a); {
	case got != want || (want == "") != (a.status < 300):
		h.t.Errorf("%s as %s: %d %q, want %q: %s", r.operation, c.name, a.status, got, want, a.body)
	case want == api.CodeUnauthenticated:
		challenge := `Bearer error="invalid_token"`
		if token == "" {
			challenge = "Bearer"
		}
		if got := a.header.Get("WWW-Authenticate"); got != challenge {
			h.t.Errorf("%s as %s: WWW-Authenticate %q", r.operation, c.name, got)
		}
	}
}

// sessionOf returns the id of a session that the caller would end: its own, or where it has none that of the first owner.
func (h *harness) sessionOf(c caller, token string) string {
	h.t.Helper()
	if c.name == "nobody" || c.name == "key" || c.name == "stranger" {
		token = h.acme.token
	}
	p, err := h.core.Authenticate(h.t.Context(), token)
	noError(h.t, err)
	return p.Session.ID
}

// decodeCode returns the code of a problem; empty: it is none.
func decodeCode(a answer) api.Code {
	a.t.Helper()
	if a.status < http.StatusBadRequest {
		return ""
	}
	code := decodeAs[api.Problem](a).Code
	a.problem(code)
	return code
}
