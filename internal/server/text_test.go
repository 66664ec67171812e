package server

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestTextThatNoStoreHolds: NUL and what is no UTF-8, wherever a request has text, are refused or found nowhere, and fail nothing.
// PostgreSQL holds neither, SQLite both.
func TestTextThatNoStoreHolds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	h.client = &http.Client{Timeout: h.client.Timeout} // what is in no document is asked for here, too
	queries := queryParameters(t)
	for _, bad := range []string{"a\x00b", "\x00", "a\xff", "\xc3", "key_\x00", "a=\x00", "\xed\xa0\x80"} {
		for _, r := range h.server.routes() {
			if r.pattern == "/v1/sessions" && r.method == http.MethodDelete || r.pattern == "/v1/session" {
				continue // they end the session that asks
			}
			h.failsNothing(r.method, fill(r.pattern, bad, bad), "", bad)
			h.failsNothing(r.method, fill(r.pattern, "acme", bad), "", bad)
			for _, name := range queries {
				if r.method != http.MethodGet {
					break
				}
				h.failsNothing(http.MethodGet, fill(r.pattern, "acme", "k")+"?"+url.Values{name: {bad}}.Encode(), "", bad)
			}
		}
		for operation, bodies := range textBodies() {
			for _, body := range bodies {
				method, path, _ := strings.Cut(operation, " ")
				h.failsNothing(method, path, strings.ReplaceAll(body, "BAD", strings.ReplaceAll(bad, "\x00", `\u0000`)), "")
				h.failsNothing(method, path, strings.ReplaceAll(body, "BAD", bad), "")
			}
		}
	}
	if _, err := h.core.Authenticate(t.Context(), h.acme.token); err != nil {
		t.Fatal(err)
	}
}

// textBodies are bodies with text in each place that has any.
func textBodies() map[string][]string {
	later := `"expires_at":"2999-01-01T00:00:00Z"`
	return map[string][]string{
		"POST /v1/orgs/acme/keys":                     {`{"name":"BAD"}`, `{"name":"n","tags":{"a":"BAD"}}`, `{"name":"n","tags":{"BAD":"b"}}`},
		"PATCH /v1/orgs/acme/keys/k":                  {`{"name":"BAD"}`, `{"tags":{"a":"BAD"}}`},
		"POST /v1/orgs/acme/keys/k/disable":           {`{"reason":"BAD"}`},
		"POST /v1/orgs/acme/keys/lookup":              {`{"secret":"BAD"}`, `{"key":"BAD"}`},
		"POST /v1/keys/verify":                        {`{"secret":"BAD"}`, `{"key":"BAD"}`},
		"POST /v1/orgs/acme/tokens":                   {`{"name":"BAD","permissions":["keys:read"],` + later + `}`, `{"name":"n","permissions":["BAD"],` + later + `}`},
		"POST /v1/orgs/acme/members":                  {`{"email":"BAD@example.com","role":"viewer"}`, `{"email":"a@example.com","role":"BAD"}`},
		"POST /v1/orgs/acme/keys/k/rotations":         {`{"sinks":["BAD"]}`, `{"sinks":[{"name":"BAD"}]}`, `{"run":"BAD","sinks":["a"]}`},
		"POST /v1/orgs/acme/keys/k/rotations/x/prove": {`{"digest":"BAD"}`},
		"POST /v1/orgs/acme/trust-rules": {
			`{"name":"BAD","provider":"github","conditions":{"repository":"a/b"},"permissions":["keys:read"],"keys":["*"]}`,
			`{"name":"n","provider":"github","conditions":{"repository":"BAD"},"permissions":["keys:read"],"keys":["*"]}`,
			`{"name":"n","provider":"github","conditions":{"repository":"a/b","BAD":"x"},"permissions":["keys:read"],"keys":["*"]}`,
			`{"name":"n","provider":"github","conditions":{"repository":"a/b"},"permissions":["keys:read"],"keys":["BAD"]}`,
			`{"name":"n","provider":"other","issuer":"https://id.example/BAD","conditions":{"sub":"BAD"},"permissions":["keys:read"],"keys":["*"]}`,
		},
	}
}

// failsNothing makes a request, with the text in headers too, where a header can hold it.
func (h *harness) failsNothing(method, path, body, text string) {
	h.t.Helper()
	var header []string
	if text != "" && !strings.ContainsRune(text, 0) {
		header = []string{"User-Agent", text, "Idempotency-Key", text, "Request-Id", text}
	}
	if a := h.as(h.acme, method, path, body, header...); a.status >= http.StatusInternalServerError {
		h.t.Errorf("%s %s %q: %d %s", method, path, body, a.status, a.body)
	}
}

// fill puts values in the place of a pattern's names, the first into that of the org.
func fill(pattern, org, other string) string {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		switch {
		case p == "{org}":
			parts[i] = url.PathEscape(org)
		case strings.HasPrefix(p, "{"):
			parts[i] = url.PathEscape(other)
		}
	}
	return strings.Join(parts, "/")
}

// queryParameters are the names of all in the document.
func queryParameters(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(documentPath)
	noError(t, err)
	type parameter struct {
		Name string
		In   string
	}
	var doc struct {
		Paths      map[string]map[string]yaml.Node
		Components struct{ Parameters map[string]parameter }
	}
	noError(t, yaml.Unmarshal(text, &doc))
	names := map[string]bool{}
	for _, p := range doc.Components.Parameters {
		names[p.Name] = p.In == "query"
	}
	for _, methods := range doc.Paths {
		for method, node := range methods {
			var op struct{ Parameters []parameter }
			if method == "parameters" {
				continue
			}
			noError(t, node.Decode(&op))
			for _, p := range op.Parameters {
				if p.In == "query" {
					names[p.Name] = true
				}
			}
		}
	}
	maps.DeleteFunc(names, func(_ string, query bool) bool { return !query })
	if !names["page_token"] || !names["tag"] {
		t.Fatalf("the document has the query parameters %v", names)
	}
	return slices.Sorted(maps.Keys(names))
}
