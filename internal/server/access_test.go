package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

func TestHost(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tests := map[string]bool{
		"127.0.0.1": true, "127.0.0.1:7420": true, "localhost": true, "LOCALHOST:1": true, "[::1]": true, "[::1]:7420": true,
		"keys.example.com": true, "keys.example.com:443": true,
		"evil.example": false, "evil.example:7420": false, "127.0.0.1.evil.example": false, "localhost.": false,
		"keys.example.com.evil.example": false, "127.0.0.2": false, "[::2]:80": false, "x@localhost": false,
	}
	for host, allowed := range tests {
		for _, path := range []string{"/v1/session", "/v1/self", "/mcp", "/openapi.json", "/nosuch"} {
			a := h.call("GET", path, "", "Host", host)
			if refused := a.status == http.StatusForbidden; refused == allowed {
				t.Errorf("Host %s on %s: status %d", host, path, a.status)
			}
			if !allowed {
				a.problem(api.CodeHostNotAllowed)
			}
		}
		h.call("GET", "/healthz", "", "Host", host).want(http.StatusOK)
		h.call("GET", "/readyz", "", "Host", host).want(http.StatusOK)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, key := h.newKey(h.acme, "k")
	tests := map[string]bool{
		"http://127.0.0.1:5173": true, "http://localhost": true, "https://keys.example.com": true, "http://[::1]:1": true,
		"https://evil.example": false, "null": false, "": false, "file://": false, "vscode-webview://localhost": false,
		"https://keys.example.com.evil.example": false, "https://evil.example/localhost": false, "%": false, "localhost": false,
	}
	for origin, allowed := range tests {
		requests := map[string]answer{
			"POST /mcp":     h.callMCP("", initialize, "X-API-Key", key, "Origin", origin),
			"GET /mcp":      h.call("GET", "/mcp", "", "X-API-Key", key, "Origin", origin),
			"POST /disable": h.as(h.acme, "POST", "/v1/orgs/acme/keys/k/enable", "", "Origin", origin),
			"OPTIONS":       h.call("OPTIONS", "/mcp", "", "Origin", origin, "Access-Control-Request-Method", "POST"),
		}
		for name, a := range requests {
			if refused := a.status == http.StatusForbidden; refused == allowed {
				t.Errorf("Origin %q, %s: status %d", origin, name, a.status)
			}
			if !allowed {
				a.problem(api.CodeOriginNotAllowed)
			}
			for header := range a.header {
				if strings.HasPrefix(header, "Access-Control-") {
					t.Errorf("Origin %q, %s: header %s", origin, name, header)
				}
			}
		}
		h.as(h.acme, "GET", "/v1/session", "", "Origin", origin).want(http.StatusOK)
	}
	h.as(h.acme, "POST", "/v1/orgs/acme/keys/k/enable", "", "Origin", "http://localhost", "Origin", "https://evil.example").
		problem(api.CodeOriginNotAllowed)
}

func TestAddressPrefix(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"203.0.113.77:4321":                 "203.0.113.0/24",
		"[2001:db8:1234:5678::9]:443":       "2001:db8:1234::/48",
		"[::ffff:203.0.113.77]:1":           "203.0.113.0/24",
		"[fe80::1%eth0]:1":                  "fe80::/48",
		"@":                                 "",
		"":                                  "",
		"localhost:80":                      "",
		"[2001:db8:ffff:ffff:ffff::1]:8080": "2001:db8:ffff::/48",
	}
	for addr, want := range tests {
		if got := addressPrefix(address(addr)); got != want {
			t.Errorf("addressPrefix(%q) = %q, want %q", addr, got, want)
		}
	}
}

func TestAgent(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"claude-code/2.1.330 (linux; x64)": "claude-code/2.1.330",
		" curl/8.5.0":                      "curl/8.5.0",
		"":                                 "",
		"a\x1b[2Jb\u202e\u009bc":           "a[2Jbc",
		"\xff\xfeagent":                    "agent",
		strings.Repeat("é", 80):            strings.Repeat("é", 64),
	}
	for header, want := range tests {
		if got := agent(header); got != want {
			t.Errorf("agent(%q) = %q, want %q", header, got, want)
		}
	}
}
