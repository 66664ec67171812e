package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	want := api.Health{Status: "ok", Version: "v0.0.1"}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := decodeAs[api.Health](h.call("GET", path, "").want(http.StatusOK)); got != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
	closes := func() string {
		rec := httptest.NewRecorder()
		h.server.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "http://localhost/v1/authz", http.NoBody))
		return rec.Header().Get("Connection")
	}
	if got := closes(); got != "" {
		t.Errorf("Connection: %s", got)
	}
	h.server.Unready()
	if got := closes(); got != "close" {
		t.Errorf("once it is to stop, Connection: %s", got)
	}
	h.call("GET", "/readyz", "").problem(api.CodeUnavailable)
	h.call("GET", "/healthz", "").want(http.StatusOK)
	h.as(h.acme, "GET", "/v1/session", "").want(http.StatusOK)
}

func TestNotReadyWithoutItsStore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rec := httptest.NewRecorder()
	h.server.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", nil))
	if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), `"code":"unavailable"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	a := h.call("GET", "/openapi.json", "").want(http.StatusOK)
	if a.header.Get("Content-Type") != "application/json" || !strings.Contains(string(a.body), `"openapi": "3.1.0"`) {
		t.Errorf("%s %.200s", a.header.Get("Content-Type"), a.body)
	}
}

func TestHugeHeaders(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(h.url, "http://"))
	noError(t, err)
	defer conn.Close()
	noError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	go func() { // the server may stop reading before the end
		_, _ = fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 1<<20))
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	noError(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
	h.call("GET", "/healthz", "").want(http.StatusOK)
}

func TestEveryWaitOfTheHTTPServerEnds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := NewHTTPServer(h.server, h.server.Log)
	for name, limit := range map[string]time.Duration{
		"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout, "WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout,
	} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("%s is %s", name, limit)
		}
	}
	if s.MaxHeaderBytes != 16<<10 || s.ErrorLog == nil {
		t.Errorf("MaxHeaderBytes %d, ErrorLog %v", s.MaxHeaderBytes, s.ErrorLog)
	}
	if handleTimeout >= s.WriteTimeout {
		t.Error("a handler may take longer than its connection")
	}
}
