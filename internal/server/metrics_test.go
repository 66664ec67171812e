package server

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// scrape asks the server for its metrics.
func (h *harness) scrape() string {
	h.t.Helper()
	rec := httptest.NewRecorder()
	h.server.MetricsHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if rec.Code != http.StatusOK {
		h.t.Fatalf("a scrape: %d %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, sec := h.newKey(h.acme, "hunter")
	unknown := secret.New(secret.Key).Reveal()
	for range 3 {
		h.call("GET", "/v1/authz", "", "X-API-Key", sec).want(http.StatusNoContent)
	}
	h.call("GET", "/v1/authz", "", "X-API-Key", unknown).want(http.StatusUnauthorized)
	h.call("GET", "/v1/self", "", "X-API-Key", sec).want(http.StatusOK)
	h.as(h.acme, "POST", "/v1/orgs/acme/keys/hunter/disable", "").want(http.StatusOK)
	h.call("GET", "/v1/authz", "", "X-API-Key", sec).want(http.StatusUnauthorized)
	h.call("GET", "/v1/self/"+sec, "").want(http.StatusNotFound)
	h.call("BREW", "/v1/self", "").want(http.StatusMethodNotAllowed)

	text := h.scrape()
	for _, want := range []string{
		`keyfob_http_requests_total{method="GET",route="/v1/authz",status="204"} 3`,
		`keyfob_http_requests_total{method="GET",route="/v1/authz",status="401"} 2`,
		`keyfob_http_requests_total{method="GET",route="/v1/self",status="200"} 1`,
		`keyfob_http_requests_total{method="POST",route="/v1/orgs/{org}/keys",status="201"} 1`,
		`keyfob_http_requests_total{method="GET",route="unmatched",status="404"} 1`,
		`keyfob_http_requests_total{method="other",route="unmatched",status="405"} 1`,
		`keyfob_http_request_duration_seconds_count{route="/v1/authz"} 5`,
		`keyfob_checks_total{outcome="valid"} 4`,
		`keyfob_checks_total{outcome="unknown"} 1`,
		`keyfob_checks_total{outcome="disabled"} 1`,
		`keyfob_checks_total{outcome="failed"} 0`,
		`keyfob_ready 1`,
		`keyfob_mcp_streams 0`,
		`keyfob_use_flush_lag_seconds `,
		`version="v0.0.1"} 1`,
		`process_resident_memory_bytes `,
		`go_goroutines `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, secret := range []string{sec, unknown, key.ID, "hunter", h.acme.token, "acme", "keyfob_tls"} {
		if strings.Contains(text, secret) {
			t.Errorf("a scrape holds %s", secret)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	h.server.Drain()
	if !strings.Contains(h.scrape(), "keyfob_ready 0") {
		t.Error("a draining service is ready")
	}
}

// TestWhoReadsMetrics: on the listener for everybody, programs on this machine alone.
func TestWhoReadsMetrics(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cfg := h.server.Config
	cfg.LocalMetrics, cfg.TLSExpires = true, func() time.Time { return time.Unix(1_900_000_000, 0) }
	local := New(cfg)
	ask := func(s *Server, peer, host, method string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/metrics", http.NoBody)
		r.RemoteAddr, r.Host = peer, host
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		return rec
	}
	for _, host := range []string{"127.0.0.1:7420", "localhost", "[::1]:1", "keys.example.com"} {
		for _, peer := range []string{"127.0.0.1:1", "[::1]:1"} {
			rec := ask(local, peer, host, "GET")
			if rec.Code != http.StatusOK || !regexp.MustCompile(`keyfob_tls_certificate_expiry_timestamp_seconds 1\.9e\+09`).MatchString(rec.Body.String()) {
				t.Errorf("%s as %s: %d %s", peer, host, rec.Code, rec.Body)
			}
		}
	}
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"a peer elsewhere":      ask(local, "192.0.2.1:1", "localhost", "GET"),
		"that forges":           ask(local, "192.0.2.1:1", "localhost", "GET", "X-Forwarded-For", "127.0.0.1"),
		"through a proxy":       ask(local, "127.0.0.1:1", "localhost", "GET", "X-Forwarded-For", "127.0.0.1"),
		"through Caddy":         ask(local, "127.0.0.1:1", "localhost", "GET", "X-Forwarded-Host", "keys.example.com"),
		"through another":       ask(local, "127.0.0.1:1", "localhost", "GET", "Forwarded", "for=127.0.0.1"),
		"through nginx":         ask(local, "127.0.0.1:1", "localhost", "GET", "X-Real-IP", "127.0.0.1"),
		"a rebound page":        ask(local, "127.0.0.1:1", "evil.example", "GET"),
		"another method":        ask(local, "192.0.2.1:1", "localhost", "POST"),
		"a listener of its own": ask(h.server, "127.0.0.1:1", "localhost", "GET"),
	} {
		if rec.Code != http.StatusNotFound || strings.Contains(rec.Body.String(), "keyfob_") {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestObserveAllocatesNothing is the price that each request pays for being counted.
func TestObserveAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	h := newHarness(t)
	r := httptest.NewRequest(http.MethodGet, "/v1/authz", http.NoBody)
	r.Pattern = authzPath
	if n := testing.AllocsPerRun(500, func() { h.server.metrics.observe(r, http.StatusNoContent, time.Millisecond) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := newMetrics([]string{"", authzPath})
	r := httptest.NewRequest(http.MethodGet, "/v1/authz", http.NoBody)
	r.Pattern = authzPath
	for b.Loop() {
		m.observe(r, http.StatusNoContent, 10*time.Microsecond)
	}
}
