// Package gateways holds the configurations of docs/gateways.md to real gateways: nginx and Caddy before a real keyfobd.
package gateways

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

func TestGateways(t *testing.T) {
	t.Parallel()
	for _, g := range []gateway{nginx(), caddy()} {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			need(t, g.program)
			s := serve(t)
			b := newBackend(t)
			url := g.start(t, s.address, b.address())
			t.Run("identity", func(t *testing.T) { testIdentity(t, s, b, url) })
			t.Run("refusals", func(t *testing.T) { testRefusals(t, s, b, url) })
			t.Run("limits", func(t *testing.T) { testLimits(t, s, b, url, g.name == "nginx") })
			t.Run("addresses", func(t *testing.T) { testAddresses(t, url) })
			t.Run("revoked under load", func(t *testing.T) { testRevoked(t, s, url) })
			t.Run("faults", func(t *testing.T) { testFaults(t, s, b, url) }) // last: it stops things
		})
	}
}

func testIdentity(t *testing.T, s *service, b *backend, url string) {
	t.Helper()
	key, secret := s.newKey(t, "Straße 鍵")
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
		body := ""
		if method == "POST" || method == "PUT" {
			body = strings.Repeat("b", 100<<10)
		}
		status, _ := call(t, method, url+"/orders?api_key=x", body, "Authorization", "Bearer "+secret, "X-API-Key", secret,
			"Keyfob-Org", "root", "keyfob-key-id", "key_0", "KEYFOB-KEY-NAME", "root", "Origin", "https://app.example",
			"Keyfob_Org", "root", "KEYFOB_KEY_ID", "key_0", "keyfob_key-name", "root", "Keyfob-Key_Id", "key_0", "Connection", "Keyfob-Org")
		got := b.last()
		want := seen{"/orders?api_key=x", body, "acme", key.ID, "Stra%C3%9Fe%20%E9%8D%B5", ""}
		if status != http.StatusOK || got != want {
			t.Errorf("%s: %d, the API saw %.300v", method, status, got)
		}
	}
}

func testRefusals(t *testing.T, s *service, b *backend, url string) {
	t.Helper()
	before := b.calls.Load()
	_, theirs := s.newKeyOf(t, s.globex, "globex", "theirs")
	for name, tt := range map[string]struct {
		header []string
		status int
	}{
		"no key":         {nil, 401},
		"an unknown key": {[]string{"X-API-Key", "kf_0123456789ABCDEFGHIJKLMNOPQRSTUV2it9Jo"}, 401},
		"junk":           {[]string{"Authorization", "Bearer x"}, 401},
		"two keys":       {[]string{"Authorization", "Bearer x", "X-API-Key", theirs}, 401},
		"only a name":    {[]string{"Keyfob-Org", "acme", "Keyfob-Key-Id", "key_1", "Keyfob-Key-Name", "x"}, 401},
		"another org's":  {[]string{"X-API-Key", theirs}, 403},
	} {
		status, header := call(t, "GET", url+"/", "", tt.header...)
		if status != tt.status || (status == 401) != strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: %d %q", name, status, header.Get("WWW-Authenticate"))
		}
	}
	if n := b.calls.Load() - before; n != 0 {
		t.Errorf("the API saw %d of them", n)
	}
}

// testLimits: what is beyond a key's limit is 429 to the client, says when to try again, and does not reach the API. told says that
// requests that pass tell what is left, too.
func testLimits(t *testing.T, s *service, b *backend, url string, told bool) {
	t.Helper()
	_, made, err := s.acme.CreateKey(t.Context(), "acme", api.CreateKeyRequest{
		Name: "limited", RateLimit: &api.RateLimit{Requests: 2, PerSeconds: 86_400},
	})
	if err != nil {
		t.Fatal(err)
	}
	before := b.calls.Load()
	for i, want := range []struct {
		status      int
		left        string
		retryAfter  bool
		alwaysTells bool
	}{
		{http.StatusOK, `"key";r=1;t=`, false, false},
		{http.StatusOK, `"key";r=0;t=`, false, false},
		{http.StatusTooManyRequests, `"key";r=0;t=`, true, true},
		{http.StatusTooManyRequests, `"key";r=0;t=`, true, true},
	} {
		status, header := call(t, "GET", url+"/", "", "X-API-Key", made.Reveal())
		left, policy, retry := header.Values("RateLimit"), header.Values("RateLimit-Policy"), header.Values("Retry-After")
		tells := len(left) == 1 && strings.HasPrefix(left[0], want.left) && len(policy) == 1 && policy[0] == `"key";q=2;w=86400`
		if status != want.status || tells != (told || want.alwaysTells) || (len(retry) == 1) != want.retryAfter {
			t.Errorf("request %d: %d, RateLimit %q, policy %q, Retry-After %q", i, status, left, policy, retry)
		}
	}
	if n := b.calls.Load() - before; n != 2 {
		t.Errorf("the API saw %d of them", n)
	}
	_, free := s.newKey(t, "free")
	for _, status := range []int{http.StatusInternalServerError, http.StatusTooManyRequests} { // the API's own
		b.answer.Store(int64(status))
		got, header := call(t, "GET", url+"/", "", "X-API-Key", free)
		if got != status || header.Get("Api") != "yes" || header.Get("RateLimit") != "" {
			t.Errorf("the API's %d is %d %v", status, got, header)
		}
	}
	b.answer.Store(0)
}

// testAddresses: the service trusts the gateway to say from where its clients come, and a client can't say it.
func testAddresses(t *testing.T, url string) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}} // the gateway's own is trusted
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	defer client.CloseIdleConnections()
	for i := range 120 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.0.%d", i))
		req.Header.Set("X-API-Key", "guessed")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("what a client says of its address is believed: its failures count for others")
}

// testRevoked: from the first request after disable returned, whatever else is under way.
func testRevoked(t *testing.T, s *service, url string) {
	t.Helper()
	key, secret := s.newKey(t, "revoked")
	ctx, cancel := context.WithCancel(t.Context())
	var passed atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				if status, _ := call(t, "GET", url+"/", "", "X-API-Key", secret); status == http.StatusOK { //nolint:contextcheck // it ends with its answer, not half-way
					passed.Add(1)
				}
			}
		})
	}
	for range 20 {
		for before := passed.Load(); passed.Load() < before+5 && !t.Failed(); {
			if status, _ := call(t, "GET", url+"/", "", "X-API-Key", secret); status != http.StatusOK {
				t.Fatalf("an enabled key: %d", status)
			}
		}
		if _, err := s.acme.DisableKey(t.Context(), "acme", key.ID, ""); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if status, _ := call(t, "GET", url+"/", "", "X-API-Key", secret); status != http.StatusUnauthorized {
				t.Fatalf("a disabled key: %d", status)
			}
		}
		if _, err := s.acme.EnableKey(t.Context(), "acme", key.ID, ""); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	group.Wait()
}

func testFaults(t *testing.T, s *service, b *backend, url string) {
	t.Helper()
	_, secret := s.newKey(t, "faults")
	b.server.Close()
	if status, _ := call(t, "GET", url+"/", "", "X-API-Key", secret); status != http.StatusBadGateway {
		t.Errorf("without the API: %d", status)
	}
	s.stop()
	if status, _ := call(t, "GET", url+"/", "", "X-API-Key", secret); status < 500 {
		t.Errorf("without the service: %d", status)
	}
}

// backend is the API.
type backend struct {
	server *httptest.Server
	calls  atomic.Int64
	answer atomic.Int64 // its status; 0: 200
	mu     sync.Mutex
	latest seen
}

// seen is what the API sees of a request.
type seen struct{ url, body, org, id, name, key string }

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		joined := func(name string) string {
			var all []string
			for as, values := range r.Header { // as CGI and WSGI name them
				if strings.EqualFold(strings.ReplaceAll(as, "_", "-"), name) {
					all = append(all, values...)
				}
			}
			return strings.Join(all, ",")
		}
		b.latest = seen{
			r.URL.String(), string(body), joined(api.HeaderOrg), joined(api.HeaderKeyID), joined(api.HeaderKeyName),
			joined("Authorization") + joined("X-Api-Key"),
		}
		w.Header().Set("Api", "yes")
		if status := b.answer.Load(); status != 0 {
			w.WriteHeader(int(status))
		}
	}))
	t.Cleanup(b.server.Close)
	return b
}

func (b *backend) address() string { return b.server.Listener.Addr().String() }

func (b *backend) last() seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.latest
}

func call(t *testing.T, method, url, body string, header ...string) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := (&http.Client{Timeout: wait, Transport: http.DefaultTransport}).Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header
}
