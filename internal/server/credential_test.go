package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// callMCP posts one message to /mcp, as a client does.
func (h *harness) callMCP(query, message string, header ...string) answer {
	h.t.Helper()
	return h.call("POST", "/mcp"+query, message, append(header,
		"Content-Type", "application/json", "Accept", "application/json, text/event-stream")...)
}

func TestHowAKeyIsPresented(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, a := h.newKey(h.acme, "a")
	_, b := h.newKey(h.acme, "b")
	const ok api.Code = ""
	tests := map[string]struct {
		query  string
		header []string
		self   api.Code // what GET /v1/self answers
		mcp    api.Code // what POST /mcp answers
	}{
		"bearer":                  {"", []string{"Authorization", "Bearer " + a}, ok, ok},
		"bearer, any case":        {"", []string{"authorization", "bEARER " + a}, ok, ok},
		"bearer, more space":      {"", []string{"Authorization", "Bearer   " + a}, ok, ok},
		"header":                  {"", []string{"X-API-Key", a}, ok, ok},
		"both the same":           {"", []string{"Authorization", "Bearer " + a, "X-API-Key", a}, ok, ok},
		"both, different":         {"", []string{"Authorization", "Bearer " + a, "X-API-Key", b}, api.CodeInvalidRequest, api.CodeInvalidRequest},
		"repeated bearer":         {"", []string{"Authorization", "Bearer " + a, "Authorization", "Bearer " + a}, api.CodeInvalidRequest, api.CodeInvalidRequest},
		"repeated header":         {"", []string{"X-API-Key", a, "X-API-Key", b}, api.CodeInvalidRequest, api.CodeInvalidRequest},
		"joined bearers":          {"", []string{"Authorization", "Bearer " + a + ", Bearer " + b}, api.CodeInvalidRequest, api.CodeInvalidRequest},
		"joined headers":          {"", []string{"X-API-Key", a + "," + b}, api.CodeInvalidRequest, api.CodeInvalidRequest},
		"basic":                   {"", []string{"Authorization", "Basic " + a}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"no scheme":               {"", []string{"Authorization", a}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"no token":                {"", []string{"Authorization", "Bearer"}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"two words":               {"", []string{"Authorization", "Bearer Bearer " + a}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"empty":                   {"", []string{"Authorization", ""}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"one character changed":   {"", []string{"X-API-Key", flip(a)}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"the hint":                {"", []string{"X-API-Key", "kf_…" + a[len(a)-4:]}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"lower case":              {"", []string{"X-API-Key", strings.ToLower(a)}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"a session token":         {"", []string{"X-API-Key", h.acme.token}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"long":                    {"", []string{"X-API-Key", strings.Repeat("k", 10<<10)}, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"query":                   {"?api_key=" + a, nil, api.CodeUnauthenticated, ok},
		"query, escaped":          {"?api_key=%6bf_" + a[3:], nil, api.CodeUnauthenticated, ok},
		"query, empty":            {"?api_key=", nil, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"query, unknown key":      {"?api_key=" + flip(a), nil, api.CodeUnauthenticated, api.CodeUnauthenticated},
		"query and header agree":  {"?api_key=" + a, []string{"X-API-Key", a}, ok, ok},
		"query and header differ": {"?api_key=" + b, []string{"Authorization", "Bearer " + a}, ok, api.CodeInvalidRequest},
		"query twice":             {"?api_key=" + a + "&api_key=" + a, nil, api.CodeUnauthenticated, api.CodeInvalidRequest},
		"query broken":            {"?api_key=" + a + ";x", nil, api.CodeUnauthenticated, api.CodeInvalidRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			for _, got := range []struct {
				answer answer
				want   api.Code
			}{
				{h.call("GET", "/v1/self"+tt.query, "", tt.header...), tt.self},
				{h.callMCP(tt.query, initialize, tt.header...), tt.mcp},
			} {
				if got.want == ok {
					got.answer.want(http.StatusOK)
					continue
				}
				got.answer.problem(got.want)
				if has := got.answer.header.Get("WWW-Authenticate") != ""; has != (got.want == api.CodeUnauthenticated) {
					t.Errorf("WWW-Authenticate %q with %s", got.answer.header.Get("WWW-Authenticate"), got.want)
				}
				if strings.Contains(string(got.answer.body), a[5:]) {
					t.Errorf("the answer repeats the key: %s", got.answer.body)
				}
			}
			if text := h.log.String(); strings.Contains(text, a[5:]) || strings.Contains(text, b[5:]) || strings.Contains(text, "api_key") {
				t.Error("the log holds a key or a query")
			}
		})
	}
}

// flip changes the last character but one.
func flip(s string) string {
	i := len(s) - 2
	if s[i] == 'x' {
		return s[:i] + "y" + s[i+1:]
	}
	return s[:i] + "x" + s[i+1:]
}

func TestASessionComesAsBearerOnly(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, key := h.newKey(h.acme, "k")
	h.call("GET", "/v1/session", "", "Authorization", "Bearer "+h.acme.token).want(http.StatusOK)
	h.call("GET", "/v1/session", "", "Authorization", "Bearer "+h.acme.token, "X-API-Key", key).want(http.StatusOK)
	tests := map[string][]string{
		"header": {"X-API-Key", h.acme.token},
		"cookie": {"Cookie", "session=" + h.acme.token},
		"basic":  {"Authorization", "Basic " + h.acme.token},
		"a key":  {"Authorization", "Bearer " + key},
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			h.call("GET", "/v1/session?token="+url.QueryEscape(h.acme.token), "", header...).problem(api.CodeUnauthenticated)
		})
	}
	h.call("GET", "/v1/session", "", "Authorization", "Bearer "+h.acme.token, "Authorization", "Bearer "+h.globex.token).
		problem(api.CodeInvalidRequest)
}

func TestNothingAdvertisesOAuth(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range []string{
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp",
		"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/mcp/.well-known/openid-configuration",
		"/register", "/authorize", "/token",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := h.call(method, path, "")
			a.problem(api.CodeNotFound)
			if got := a.header.Get("WWW-Authenticate"); got != "" {
				t.Errorf("%s: WWW-Authenticate %q", path, got)
			}
		}
	}
	challenge := h.callMCP("", initialize).header.Get("WWW-Authenticate")
	if challenge != "Bearer" {
		t.Errorf("WWW-Authenticate %q names more than the scheme", challenge)
	}
}
