package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

const both = "application/json, text/event-stream"

func TestWhatMCPRefusesIsAProblem(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, key := h.newKey(h.acme, "k")
	huge := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`
	large := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":"` + strings.Repeat("x", 1<<19) + `"}}}`
	batch := `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`
	tests := map[string]struct {
		method, body string
		header       []string
		code         api.Code // empty: it is served
		detail       string
	}{
		"GET":                {"GET", "", []string{"Accept", "text/event-stream"}, api.CodeMethodNotAllowed, "Method Not Allowed"},
		"HEAD":               {"HEAD", "", nil, api.CodeMethodNotAllowed, ""},
		"DELETE":             {"DELETE", "", []string{"Mcp-Session-Id", "x"}, api.CodeMethodNotAllowed, "Method Not Allowed"},
		"PUT":                {"PUT", initialize, nil, api.CodeMethodNotAllowed, "Method Not Allowed"},
		"no media type":      {"POST", initialize, []string{"Accept", both}, api.CodeUnsupportedMedia, "application/json"},
		"another media type": {"POST", initialize, []string{"Accept", both, "Content-Type", "text/plain"}, api.CodeUnsupportedMedia, "application/json"},
		"no Accept":          {"POST", initialize, []string{"Content-Type", "application/json"}, api.CodeInvalidRequest, "Accept"},
		"Accept JSON alone":  {"POST", initialize, []string{"Content-Type", "application/json", "Accept", "application/json"}, api.CodeInvalidRequest, "Accept"},
		"too large":          {"POST", huge, []string{"Content-Type", "application/json", "Accept", both}, api.CodeBodyTooLarge, "1048576"},
		"large":              {"POST", large, []string{"Content-Type", "application/json", "Accept", both}, "", ""},
		"empty":              {"POST", "", []string{"Content-Type", "application/json", "Accept", both}, api.CodeInvalidRequest, "non-empty"},
		"no JSON":            {"POST", "x", []string{"Content-Type", "application/json", "Accept", both}, api.CodeInvalidRequest, "malformed"},
		"batch":              {"POST", batch, []string{"Content-Type", "application/json", "Accept", both, "MCP-Protocol-Version", "2025-06-18"}, api.CodeInvalidRequest, "batching"},
		"unknown revision":   {"POST", initialize, []string{"Content-Type", "application/json", "Accept", both, "MCP-Protocol-Version", "2024-13-32"}, api.CodeInvalidRequest, "Unsupported protocol version"},
		"session of old":     {"POST", initialize, []string{"Content-Type", "application/json", "Accept", both, "Mcp-Session-Id", "old"}, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			a := h.call(tt.method, "/mcp", tt.body, append(tt.header, "X-API-Key", key)...)
			if got := a.header.Get("Allow"); (got == "POST") != (tt.code == api.CodeMethodNotAllowed) {
				t.Errorf("Allow %q", got)
			}
			switch {
			case tt.code == "":
				a.want(http.StatusOK)
			case tt.method == "HEAD":
				a.want(http.StatusMethodNotAllowed)
			default:
				if p := a.problem(tt.code); !strings.Contains(p.Detail, tt.detail) {
					t.Errorf("detail %q", p.Detail)
				}
			}
		})
	}
}

func TestMCPAsksForTheKeyFirst(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
		a := h.call(method, "/mcp", "")
		a.problem(api.CodeUnauthenticated)
		if got := a.header.Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("%s: WWW-Authenticate %q", method, got)
		}
	}
	if a := h.callMCP("", initialize, "Authorization", "Bearer "+h.acme.token); a.status != http.StatusUnauthorized {
		t.Errorf("a session token opens /mcp: %d", a.status)
	}
}

func TestUseIsTrackedWhereItCameFrom(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "k")
	h.callMCP("?api_key="+secret, initialize).want(http.StatusOK)
	got := decodeAs[api.KeyEnvelope](h.as(h.acme, "GET", "/v1/orgs/acme/keys/"+key.ID, "").want(http.StatusOK)).Key
	if got.LastUsedAt == nil || got.Secrets[0].LastUsedAt == nil {
		t.Errorf("a call of /mcp is no use: %+v", got)
	}
}
