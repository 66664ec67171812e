package server

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/pkg/api"
)

// document is what the tests read of openapi.yaml.
type document struct {
	Security []map[string]any
	Paths    map[string]map[string]yaml.Node
}

func TestTheTableIsTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(documentPath)
	noError(t, err)
	var doc document
	noError(t, yaml.Unmarshal(text, &doc))

	type row struct{ method, pattern, operation, auth string }
	var want, got []row
	for path, methods := range doc.Paths {
		for method, node := range methods {
			if method == "parameters" {
				continue
			}
			var op struct {
				OperationID string `yaml:"operationId"`
				Security    *[]map[string]any
			}
			noError(t, node.Decode(&op))
			security := doc.Security
			if op.Security != nil {
				security = *op.Security
			}
			want = append(want, row{strings.ToUpper(method), path, op.OperationID, schemes(security)})
		}
	}
	auths := map[auth]string{authProbe: "", authNone: "", authSession: "session", authKey: "bearerKey headerKey", authGateway: "bearerKey headerKey"}
	for _, r := range (&Server{}).routes() {
		got = append(got, row{r.method, r.pattern, r.operation, auths[r.auth]})
	}
	byOperation := func(a, b row) int { return cmp.Compare(a.operation, b.operation) }
	slices.SortFunc(want, byOperation)
	slices.SortFunc(got, byOperation)
	if !slices.Equal(got, want) {
		t.Errorf("routes\n%v\nthe document says\n%v", got, want)
	}
}

func schemes(security []map[string]any) string {
	var names []string
	for _, s := range security {
		for name := range s {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestTheEmbeddedDocumentIsTheYAML(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(documentPath)
	noError(t, err)
	var fromYAML, fromJSON any
	noError(t, yaml.Unmarshal(text, &fromYAML))
	// Through JSON and back, so that both have the same types of numbers.
	asJSON, err := json.Marshal(fromYAML)
	noError(t, err)
	noError(t, json.Unmarshal(asJSON, &fromYAML))
	noError(t, json.Unmarshal(openapiDocument, &fromJSON))
	if !reflect.DeepEqual(fromYAML, fromJSON) {
		t.Error("openapi.json is not what openapi.yaml says; generate it again")
	}
}

// things are what a request names: those that are there, and the name of a new one.
type things struct{ org, key, rotation, session, member, rule, fresh string }

// request returns a request that the route takes: with a body where it needs one.
func (r route) request(of things) (path, body, media string) {
	path = strings.NewReplacer(
		"{org}", of.org, "{key}", of.key, "{rotation}", cmp.Or(of.rotation, "x"), "{session}", of.session, "{member}", of.member, "{rule}", cmp.Or(of.rule, "x"),
	).Replace(r.pattern)
	media = mediaJSON
	switch r.operation {
	case "createKey", "updateKey":
		body = `{"name":` + quote(of.fresh) + `}`
	case "openRotation", "promoteRotation":
		body = `{}`
	case "cancelRotation":
		body = `{"acknowledge_use":true}`
	case "deliverRotation":
		body = `{"sink":"a","checked":false}`
	case "lookupKey", "verifyKey":
		body = `{"secret":"kf_"}`
	case "createToken":
		expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		body = `{"name":` + quote(of.fresh) + `,"permissions":["keys:read"],"expires_at":` + quote(expires) + `}`
	case "addMember":
		body = `{"email":` + quote(of.fresh+"@example.com") + `,"role":"viewer"}`
	case "updateMember":
		body = `{"role":"member"}`
	case "createTrustRule":
		body = `{"provider":"oidc","issuer":"https://ci.example.com","conditions":{"sub":` + quote(of.fresh) + `},"permissions":["keys:read"],"keys":["*"]}`
	case "exchangeToken":
		body, media = url.Values{
			"grant_type": {api.ExchangeGrantType}, "subject_token": {of.fresh}, "subject_token_type": {api.TokenTypeJWT},
		}.Encode(), mediaForm
	case "startDevice":
		body, media = "client_id="+of.fresh, mediaForm
	case "pollDevice":
		body, media = "grant_type="+url.QueryEscape(api.DeviceGrantType)+"&device_code="+of.fresh, mediaForm
	default:
		media = ""
	}
	return path, body, media
}

func TestEveryRouteWantsItsCredential(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	wrong := map[auth][]string{
		authSession: {"kfs_" + strings.Repeat("0", 38), "kfs_", "x", h.acme.token + "x", strings.ToUpper(h.acme.token)},
		authKey:     {"kf_" + strings.Repeat("0", 38), "kf_", "x", h.acme.token},
		authGateway: {"kf_" + strings.Repeat("0", 38), "kf_", "x", h.acme.token},
	}
	for _, r := range h.server.routes() {
		path, body, media := r.request(things{org: "acme", key: "k", session: "x", member: "x", fresh: "another"})
		if r.auth == authNone || r.auth == authProbe {
			h.open(r, path, body, media)
			continue
		}
		a := h.call(r.method, path, body)
		a.problem(api.CodeUnauthenticated)
		if got := a.header.Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("%s without a credential: WWW-Authenticate %q", r.operation, got)
		}
		for _, token := range wrong[r.auth] {
			a := h.call(r.method, path, body, "Authorization", "Bearer "+token)
			a.problem(api.CodeUnauthenticated)
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer error="invalid_token"` {
				t.Errorf("%s with %q: WWW-Authenticate %q", r.operation, token, got)
			}
			if strings.Contains(string(a.body), token) && len(token) > 4 {
				t.Errorf("%s repeats the credential: %s", r.operation, a.body)
			}
		}
	}
}

// open asserts that a route asks for no credential, and lets none count.
func (h *harness) open(r route, path, body, media string) {
	h.t.Helper()
	want := http.StatusOK
	if r.operation == "pollDevice" || r.operation == "exchangeToken" {
		want = http.StatusBadRequest // there is no such device code, and the token is none
	}
	for _, header := range [][]string{
		nil,
		{"Authorization", "Bearer " + h.acme.token},
		{"Authorization", "Bearer x"},
		{"Authorization", "Basic a2V5Zm9iOg=="},
		{"X-API-Key", "x"},
		{"Cookie", "keyfob=" + h.signIn(h.acme.user, api.SessionBrowser)},
	} {
		a := h.call(r.method, path, body, append(header, "Content-Type", media)...).want(want)
		for _, name := range []string{"Set-Cookie", "WWW-Authenticate"} {
			if got := a.header.Get(name); got != "" {
				h.t.Errorf("%s: %s %q", r.operation, name, got)
			}
		}
	}
}

func TestAnotherOrgIsNotFound(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, _ := h.newKey(h.globex, "k")
	theirs := things{key: key.ID, member: h.globex.user.ID, fresh: "another"}
	checked := 0
	for _, r := range h.server.routes() {
		if !strings.Contains(r.pattern, "{org}") {
			continue
		}
		checked++
		for _, org := range []string{"globex", h.globex.org.ID, "nosuch", "org_00000000000000000000000000", "%00", "..%2Fglobex"} {
			theirs.org = org
			path, body, _ := r.request(theirs)
			h.as(h.acme, r.method, path, body).problem(api.CodeOrgNotFound)
		}
		theirs.org = "acme" // what is the other org's under one's own
		path, body, _ := r.request(theirs)
		switch {
		case strings.Contains(r.pattern, "{key}"):
			h.as(h.acme, r.method, path, body).problem(api.CodeKeyNotFound)
		case strings.Contains(r.pattern, "{member}"):
			h.as(h.acme, r.method, path, body).problem(api.CodeMemberNotFound)
		}
	}
	if checked < 10 {
		t.Errorf("only %d routes were checked", checked)
	}
	h.as(h.globex, "GET", "/v1/orgs/globex/keys/k", "").want(http.StatusOK)
}

func TestEveryRouteRefusesOtherSites(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	for _, r := range h.server.routes() {
		path, body, media := r.request(things{org: "acme", key: "k", session: "x", member: "x", fresh: "another"})
		header := []string{"Content-Type", media, "Authorization", "Bearer " + h.acme.token}
		if r.method != http.MethodGet {
			h.call(r.method, path, body, append(header, "Origin", "https://evil.example")...).problem(api.CodeOriginNotAllowed)
		}
		if r.auth != authProbe && r.auth != authGateway {
			h.call(r.method, path, body, append(header, "Host", "evil.example")...).problem(api.CodeHostNotAllowed)
		}
	}
}

func TestEveryRouteLimitsTheBody(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, secret := h.newKey(h.acme, "k")
	tooLarge := strings.Repeat(" ", maxBody+1)
	for _, r := range h.server.routes() {
		if r.auth == authGateway {
			continue // it reads none
		}
		for _, chunked := range []bool{false, true} {
			path, _, _ := r.request(things{org: "acme", key: "k", session: "x", member: "x"})
			var body io.Reader = strings.NewReader(tooLarge)
			if chunked {
				body = io.MultiReader(body) // net/http does not know its length
			}
			req, err := http.NewRequestWithContext(t.Context(), r.method, h.url+path, body)
			noError(t, err)
			req.Header.Set("Content-Type", "application/json")
			switch r.auth {
			case authSession:
				req.Header.Set("Authorization", "Bearer "+h.acme.token)
			case authKey:
				req.Header.Set("Authorization", "Bearer "+secret)
			case authNone, authProbe, authGateway, authPage:
			}
			p := h.send(req).problem(api.CodeBodyTooLarge)
			if !strings.Contains(p.Detail, "65536") {
				t.Errorf("the limit is not named: %s", p.Detail)
			}
		}
	}
	h.as(h.acme, "GET", "/v1/orgs/acme/keys/k", "").want(http.StatusOK) // nothing was deleted or changed
}
