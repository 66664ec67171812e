package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/pkg/api"
)

// rate is what an answer says of the key's limit.
func (a answer) rate() [2]string {
	return [2]string{a.header.Get("RateLimit-Policy"), a.header.Get("RateLimit")}
}

// limitedKey makes a key with a rate limit.
func (h *harness) limitedKey(name, limit string) (api.Key, string) {
	h.t.Helper()
	a := h.as(h.acme, "POST", keysPath, `{"name":`+quote(name)+`,"rate_limit":`+limit+`}`).want(http.StatusCreated)
	made := decodeAs[api.KeyWithSecret](a)
	return made.Key, made.Secret
}

func TestAnswersSayWhatIsLeft(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const policy = `"key";q=3;w=3600`
	for i, ask := range []func(key string) answer{
		func(key string) answer { return h.call("GET", "/v1/authz", "", "X-API-Key", key) },
		func(key string) answer { return h.call("GET", "/v1/self", "", "X-API-Key", key) },
		func(key string) answer {
			return h.call("POST", "/mcp", initialize, "X-API-Key", key, "Content-Type", "application/json", "Accept", both)
		},
	} {
		_, key := h.limitedKey("ci "+string(rune('a'+i)), `{"requests":3,"per_seconds":3600}`)
		for _, left := range []string{`"key";r=2;t=1200`, `"key";r=1;t=2400`, `"key";r=0;t=1200`} {
			a := ask(key)
			if got, want := a.rate(), [2]string{policy, left}; a.status >= 300 || got != want {
				t.Errorf("%d: %d %q, want %q", i, a.status, got, want)
			}
		}
		a := ask(key)
		p := a.problem(api.CodeRateLimited)
		if got, want := a.rate(), [2]string{policy, `"key";r=0;t=1200`}; got != want || a.header.Get("Retry-After") != "1200" || p.Fix != "try again in 20m0s" {
			t.Errorf("%d: %q, Retry-After %q, fix %q", i, got, a.header.Get("Retry-After"), p.Fix)
		}
		h.clock.add(1200 * time.Second)
		if a := ask(key); a.status >= 300 {
			t.Errorf("%d: %d after the wait", i, a.status)
		}
	}
	_, free := h.newKey(h.acme, "free")
	if got := h.call("GET", "/v1/authz", "", "X-API-Key", free).want(http.StatusNoContent).rate(); got != [2]string{} {
		t.Errorf("without a limit: %q", got)
	}
}

// TestTheGatewayLimitsCalls before the MCP server hears of them.
func TestTheGatewayLimitsCalls(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	h, _ := guarding(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("RateLimit", `"theirs";r=9`)
		_, _ = w.Write([]byte(`{}`))
	}))
	_, key := h.limitedKey("ci", `{"requests":1,"per_seconds":60}`)
	want := [2]string{`"key";q=1;w=60`, `"key";r=0;t=60`}
	if got := h.callMCP("", call7, "X-API-Key", key).want(http.StatusOK).rate(); got != want {
		t.Errorf("a call: %q", got)
	}
	a := h.callMCP("", call7, "X-API-Key", key)
	if a.problem(api.CodeRateLimited); a.rate() != want || calls.Load() != 1 {
		t.Errorf("one too many: %q, the server saw %d", a.rate(), calls.Load())
	}
}

func TestVerifySaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.limitedKey("ci", `{"requests":1,"per_seconds":60}`)
	verify := func() api.Verification {
		return decodeAs[api.Verification](h.as(h.acme, "POST", "/v1/keys/verify", `{"secret":`+quote(secret)+`}`).want(http.StatusOK))
	}
	org := api.Org(h.acme.org)
	left := &api.RateLeft{RateLimit: api.RateLimit{Requests: 1, PerSeconds: 60}, ResetSeconds: 60}
	want := api.Verification{Valid: true, Org: &org, Key: &api.VerifiedKey{ID: key.ID, Name: "ci", SecretVersion: 1}, RateLimit: left}
	if diff := cmp.Diff(want, verify()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(api.Verification{Code: api.CodeRateLimited, RateLimit: left}, verify()); diff != "" {
		t.Error(diff)
	}
}

func TestRateLimitsOnTheWire(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, _ := h.limitedKey("ci", `{"requests":100,"per_seconds":60}`)
	if want := (&api.RateLimit{Requests: 100, PerSeconds: 60}); cmp.Diff(want, key.RateLimit) != "" {
		t.Errorf("made with %+v", key.RateLimit)
	}
	plain, _ := h.limitedKey("plain", "null")
	if plain.RateLimit != nil {
		t.Errorf("null makes %+v", plain.RateLimit)
	}
	path := keysPath + "/" + key.ID
	for _, bad := range []string{
		`{}`, `{"requests":1}`, `{"requests":0,"per_seconds":0}`, `{"requests":1.5,"per_seconds":1}`, `{"requests":"1","per_seconds":1}`,
		`{"requests":1,"per_seconds":1,"x":1}`, `{"Requests":1,"per_seconds":1}`, `"1/s"`, `[]`, `0`, `{"requests":1e99,"per_seconds":1}`,
		`{"requests":1000001,"per_seconds":1}`, `{"requests":1,"per_seconds":86401}`, `{"requests":-1,"per_seconds":1}`,
	} {
		h.as(h.acme, "PATCH", path, `{"rate_limit":`+bad+`}`).problem(api.CodeInvalidRequest)
		h.as(h.acme, "POST", keysPath, `{"name":"x","rate_limit":`+bad+`}`).problem(api.CodeInvalidRequest)
	}
	patch := func(body string) *api.RateLimit {
		t.Helper()
		return decodeAs[api.KeyEnvelope](h.as(h.acme, "PATCH", path, body).want(http.StatusOK)).Key.RateLimit
	}
	if got := patch(`{"tags":{}}`); got == nil || got.Requests != 100 {
		t.Errorf("another change makes it %+v", got)
	}
	if got := patch(`{"rate_limit":{"requests":5,"per_seconds":1}}`); got == nil || *got != (api.RateLimit{Requests: 5, PerSeconds: 1}) {
		t.Errorf("changed to %+v", got)
	}
	if got := patch(`{"rate_limit":null}`); got != nil {
		t.Errorf("taken off: %+v", got)
	}
}

// TestJunkIsLimitedByItsAddress, but not that of a gateway, which asks for all of its clients, or of a proxy on this machine.
func TestJunkIsLimitedByItsAddress(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, valid := h.newKey(h.acme, "ci")
	ask := func(method, path, from, key string) answer {
		r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(initialize))
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-For", "198.51.100.1")
		r.Header.Set("X-API-Key", key)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", both)
		rec := httptest.NewRecorder()
		h.server.ServeHTTP(rec, r)
		return answer{t, rec.Code, rec.Header(), rec.Body.Bytes()}
	}
	for range 50 {
		ask("GET", "/v1/self", "192.0.2.1:1234", "kf_junk").problem(api.CodeUnauthenticated)
		ask("POST", "/mcp", "192.0.2.1:4321", flip(valid)).problem(api.CodeUnauthenticated)
	}
	a := ask("GET", "/v1/self", "192.0.2.1:1234", "kf_junk")
	if a.problem(api.CodeTooManyTries); a.header.Get("Retry-After") != "10" || a.rate() != [2]string{} {
		t.Errorf("header %v", a.header)
	}
	ask("POST", "/mcp", "192.0.2.1:4321", flip(valid)).problem(api.CodeTooManyTries)
	ask("GET", "/v1/self", "192.0.2.1:1234", valid).want(http.StatusOK)
	ask("GET", "/v1/self", "192.0.2.2:1234", "kf_junk").problem(api.CodeUnauthenticated)
	for range 150 {
		ask("GET", "/v1/authz", "192.0.2.1:1234", "kf_junk").problem(api.CodeUnauthenticated)
		ask("GET", "/v1/self", "127.0.0.1:1234", "kf_junk").problem(api.CodeUnauthenticated)
		ask("GET", "/v1/self", "@", "kf_junk").problem(api.CodeUnauthenticated)
	}
}

// TestClientsOfProxiesAreLimited: whom a trusted proxy names, at a gateway's question, too, and nobody beside.
func TestClientsOfProxiesAreLimited(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.server.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	_, valid := h.newKey(h.acme, "ci")
	ask := func(client, key string) answer {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/v1/authz", http.NoBody)
		r.RemoteAddr = "127.0.0.1:1234"
		r.Header.Set("X-Forwarded-For", "203.0.113.9, "+client)
		r.Header.Set("X-API-Key", key)
		rec := httptest.NewRecorder()
		h.server.ServeHTTP(rec, r)
		return answer{t, rec.Code, rec.Header(), rec.Body.Bytes()}
	}
	for range 100 {
		ask("198.51.100.1", "kf_junk").problem(api.CodeUnauthenticated)
	}
	ask("198.51.100.1", "kf_junk").problem(api.CodeTooManyTries)
	ask("198.51.100.1", valid).want(http.StatusNoContent)
	ask("198.51.100.2", "kf_junk").problem(api.CodeUnauthenticated)
}
