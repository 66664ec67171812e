package faults

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMoreConnectionsThanFiles: with as many connections as there may be files, who is connected is served, a key can be disabled,
// nothing spins, the log stays short, and what waited is served once there is room.
func TestMoreConnectionsThanFiles(t *testing.T) {
	t.Parallel()
	s := newService(t, "sh", "-c", `ulimit -n 256; exec "$@"`, "sh")
	s.start()
	keys := s.makeKeys(t, 2)
	connected := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: wait}
	defer connected.CloseIdleConnections()
	wants := func(status int, method, path, bearer string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		res, err := connected.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status {
			t.Errorf("%s %s: %s %s (%v)", method, path, res.Status, text, err)
		}
	}
	wants(http.StatusNoContent, http.MethodGet, "/v1/authz", keys["k0"])
	var held []net.Conn
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	for range 1000 {
		held = append(held, s.dial(t))
	}
	spent, began := s.cpu(), time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	<-ctx.Done()
	if cost := s.cpu() - spent; cost > time.Since(began)/4 {
		t.Errorf("it takes %s of CPU in %s while it has no room", cost, time.Since(began))
	}
	wants(http.StatusNoContent, http.MethodGet, "/v1/authz", keys["k0"])
	wants(http.StatusOK, http.MethodGet, "/v1/orgs/acme/keys?never_used=true", s.session.Reveal())
	wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/k1/disable", s.session.Reveal())
	wants(http.StatusUnauthorized, http.MethodGet, "/v1/authz", keys["k1"])
	wants(http.StatusOK, http.MethodGet, "/readyz", "")
	for _, c := range held {
		_ = c.Close()
	}
	s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", keys["k0"], "")
	log := s.log.String()
	lines := 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, "as many connections as there may be") || strings.Contains(line, "ccept") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("%d lines of the log tell of it, want 1:\n%s", lines, log)
	}
}

// cpu is what the service has taken of the processor.
func (s *service) cpu() time.Duration {
	s.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/stat")
	if err != nil {
		s.Fatal(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			s.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}
