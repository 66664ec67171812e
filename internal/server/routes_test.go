package server

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

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
	auths := map[auth]string{authProbe: "", authNone: "", authSession: "session", authKey: "bearerKey headerKey"}
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

// request returns a request that the route takes: with a body where it needs one.
func (r route) request(org, key string) (path, body string) {
	path = strings.NewReplacer("{org}", org, "{key}", key).Replace(r.pattern)
	switch r.operation {
	case "createKey":
		body = `{"name":"another"}`
	case "updateKey":
		body = `{"name":"renamed"}`
	case "lookupKey":
		body = `{"secret":"kf_"}`
	}
	return path, body
}

func TestEveryRouteWantsItsCredential(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	wrong := map[auth][]string{
		authSession: {"kfs_" + strings.Repeat("0", 38), "kfs_", "x", h.acme.token + "x", strings.ToUpper(h.acme.token)},
		authKey:     {"kf_" + strings.Repeat("0", 38), "kf_", "x", h.acme.token},
	}
	for _, r := range h.server.routes() {
		path, body := r.request("acme", "k")
		if r.auth == authNone || r.auth == authProbe {
			h.call(r.method, path, body).want(http.StatusOK)
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

func TestAnotherOrgIsNotFound(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, _ := h.newKey(h.globex, "k")
	checked := 0
	for _, r := range h.server.routes() {
		if !strings.Contains(r.pattern, "{org}") {
			continue
		}
		checked++
		for _, org := range []string{"globex", h.globex.org.ID, "nosuch", "org_00000000000000000000000000", "%00", "..%2Fglobex"} {
			path, body := r.request(org, key.ID)
			h.as(h.acme, r.method, path, body).problem(api.CodeOrgNotFound)
		}
		if strings.Contains(r.pattern, "{key}") { // the other org's key under one's own org
			path, body := r.request("acme", key.ID)
			h.as(h.acme, r.method, path, body).problem(api.CodeKeyNotFound)
		}
	}
	if checked < 10 {
		t.Errorf("only %d routes were checked", checked)
	}
	h.as(h.globex, "GET", "/v1/orgs/globex/keys/k", "").want(http.StatusOK)
}

func TestEveryRouteLimitsTheBody(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, secret := h.newKey(h.acme, "k")
	tooLarge := strings.Repeat(" ", maxBody+1)
	for _, r := range h.server.routes() {
		for _, chunked := range []bool{false, true} {
			path, _ := r.request("acme", "k")
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
			case authNone, authProbe:
			}
			p := h.send(req).problem(api.CodeBodyTooLarge)
			if !strings.Contains(p.Detail, "65536") {
				t.Errorf("the limit is not named: %s", p.Detail)
			}
		}
	}
	h.as(h.acme, "GET", "/v1/orgs/acme/keys/k", "").want(http.StatusOK) // nothing was deleted or changed
}
