package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("127.0.0.1/32")}
	tests := map[string]struct {
		peer   string
		header []string
		want   string
	}{
		"no proxy":              {"203.0.113.7:1", nil, "203.0.113.7"},
		"forged":                {"203.0.113.7:1", []string{"192.0.2.1"}, "203.0.113.7"},
		"forged as a proxy":     {"203.0.113.7:1", []string{"192.0.2.1, 10.0.0.1"}, "203.0.113.7"},
		"through a proxy":       {"10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		"forged before a proxy": {"10.0.0.1:1", []string{"198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		"forged header before":  {"10.0.0.1:1", []string{"198.51.100.1", "192.0.2.1"}, "192.0.2.1"},
		"two proxies":           {"10.0.0.1:1", []string{"198.51.100.1, 192.0.2.1,10.0.0.2"}, "192.0.2.1"},
		"two headers":           {"10.0.0.1:1", []string{"192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		"proxies alone":         {"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"no header":             {"10.0.0.1:1", nil, "10.0.0.1"},
		"empty header":          {"10.0.0.1:1", []string{""}, "10.0.0.1"},
		"no address":            {"10.0.0.1:1", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		"no address behind":     {"10.0.0.1:1", []string{"192.0.2.1, x, 10.0.0.2"}, "10.0.0.2"},
		"an empty hop":          {"10.0.0.1:1", []string{"192.0.2.1,"}, "10.0.0.1"},
		"a leading comma":       {"10.0.0.1:1", []string{",192.0.2.1"}, "192.0.2.1"},
		"with ports":            {"10.0.0.1:1", []string{"192.0.2.1:99, 10.0.0.2:80"}, "192.0.2.1"},
		"IPv6":                  {"[2001:db8:1::5]:1", []string{"2001:db8:2::1"}, "2001:db8:2::1"},
		"IPv6 in brackets":      {"127.0.0.1:1", []string{"[2001:db8:2::1]"}, "2001:db8:2::1"},
		"IPv6 with its port":    {"127.0.0.1:1", []string{"[2001:db8:2::1]:8"}, "2001:db8:2::1"},
		"mapped":                {"[::ffff:10.0.0.1]:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"a socket":              {"@", []string{"192.0.2.1"}, "invalid IP"},
	}
	for name, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = tt.peer, tt.header
		trusted.locate(r)
		if got := ClientAddress(r).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		r.RemoteAddr = tt.peer
		proxies(nil).locate(r)
		if r.RemoteAddr != tt.peer {
			t.Errorf("%s: without a proxy it is %s", name, r.RemoteAddr)
		}
	}
}

// TestForwardedCounts holds that limits by address count whom a trusted proxy names, and nobody whom others name.
func TestForwardedCounts(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		h := newHarness(t)
		if trusted {
			h.server.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		prefix := func() string {
			key, secret := h.newKey(h.acme, "k")
			h.call("GET", "/v1/authz", "", "X-API-Key", secret, "X-Forwarded-For", "198.51.100.4, 203.0.113.9").want(http.StatusNoContent)
			var out api.UsageEnvelope
			noError(t, json.Unmarshal(h.as(h.acme, "GET", "/v1/orgs/acme/keys/"+key.ID+"/usage", "").want(http.StatusOK).body, &out))
			return out.Usage.Callers[0].Address
		}
		want := map[bool]string{false: "127.0.0.0/24", true: "203.0.113.0/24"}[trusted]
		if got := prefix(); got != want {
			t.Errorf("trusted %v: the caller is %s, want %s", trusted, got, want)
		}
		for range 20 {
			h.form("/v1/device/code", "client_id=keyfob", "X-Forwarded-For", "203.0.113.9").want(http.StatusOK)
		}
		again := h.form("/v1/device/code", "client_id=keyfob", "X-Forwarded-For", "203.0.113.10")
		if trusted != (again.status == http.StatusOK) {
			t.Errorf("trusted %v: another client gets status %d", trusted, again.status)
		}
	}
}
