package keyauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/keyauth"
	"github.com/keyfob/keyfob/pkg/secret"
)

// guarded asks a service that answers as told, with a handler behind that notes whether it was called.
type guarded struct {
	*testing.T
	handler http.Handler
	who     keyauth.Identity
	passed  atomic.Int64
	asked   atomic.Int64
}

func guard(t *testing.T, service http.HandlerFunc, change func(*keyauth.Config)) *guarded {
	t.Helper()
	g := &guarded{T: t}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.asked.Add(1)
		service(w, r)
	}))
	t.Cleanup(web.Close)
	cfg := keyauth.Config{URL: web.URL, Transport: web.Client().Transport}
	if change != nil {
		change(&cfg)
	}
	made, err := keyauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.handler = made.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		g.passed.Add(1)
		g.who, _ = keyauth.FromContext(r.Context())
		if got := r.Header.Get("Keyfob-Org") + r.Header.Get("Keyfob-Key-Id") + r.Header.Get("Keyfob-Key-Name"); got != "" {
			t.Errorf("the handler sees %q, which the client sent", got)
		}
	}))
	return g
}

func (g *guarded) call(header ...string) *httptest.ResponseRecorder {
	g.Helper()
	r := httptest.NewRequestWithContext(g.Context(), http.MethodPost, "/x", strings.NewReader("body"))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

// refused wants the problem of a code, and that the handler was not called.
func (g *guarded) refused(w *httptest.ResponseRecorder, code api.Code) {
	g.Helper()
	info, _ := code.Info()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		g.Fatalf("%v in %q", err, w.Body)
	}
	if w.Code != info.Status || p.Code != code || p.Status != info.Status || p.Detail == "" || g.passed.Load() != 0 {
		g.Fatalf("answered %d %+v, passed %d, want %s", w.Code, p, g.passed.Load(), code)
	}
	h := w.Header()
	if (h.Get("WWW-Authenticate") != "") != (w.Code == 401) || (h.Get("Retry-After") != "") != (w.Code == 503 || w.Code == 429) ||
		h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" {
		g.Errorf("header %v", h)
	}
}

func admit(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Keyfob-Org", "acme")
	w.Header().Set("Keyfob-Key-Id", "key_1")
	w.Header().Set("Keyfob-Key-Name", "Stra%C3%9Fe%20%E9%8D%B5")
	w.WriteHeader(http.StatusNoContent)
}

func problem(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestAValidKeyPasses(t *testing.T) {
	t.Parallel()
	key := secret.New(secret.Key).Reveal()
	for _, header := range [][]string{{"Authorization", "Bearer " + key}, {"authorization", "bearer  " + key}, {"X-API-Key", key}} {
		g := guard(t, func(w http.ResponseWriter, r *http.Request) {
			got := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key")
			if r.Method != http.MethodGet || r.URL.String() != "/v1/authz?org=acme" || !strings.HasSuffix(got, key) ||
				r.UserAgent() != "curl/8" || r.Header.Get("Cookie") != "" || r.ContentLength != 0 {
				t.Errorf("asked %s %s %v", r.Method, r.URL, r.Header)
			}
			admit(w, r)
		}, func(cfg *keyauth.Config) { cfg.Org = "acme" })
		w := g.call(append(header, "User-Agent", "curl/8", "Cookie", "a=b", "Keyfob-Org", "root", "keyfob-key-id", "key_0", "Keyfob-Key-Name", "x")...)
		if want := (keyauth.Identity{Org: "acme", KeyID: "key_1", KeyName: "Straße 鍵"}); w.Code != 200 || g.who != want {
			t.Errorf("%d %+v", w.Code, g.who)
		}
	}
}

func TestWhatIsNoKeyIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	key := secret.New(secret.Key).Reveal()
	g := guard(t, admit, nil)
	for _, header := range [][]string{
		nil,
		{"Authorization", ""},
		{"Authorization", key},
		{"Authorization", "Basic " + key},
		{"Authorization", "Bearer"},
		{"Authorization", "Bearer x" + key[1:]},
		{"Authorization", "Bearer " + key[:40]},
		{"Authorization", "Bearer " + secret.New(secret.Session).Reveal()},
		{"X-API-Key", ""},
		{"X-API-Key", "kf_" + strings.Repeat("a", 1<<20)},
		{"X-API-Key", key + "," + key},
		{"Keyfob-Org", "acme", "Keyfob-Key-Id", "key_1"},
	} {
		g.refused(g.call(header...), api.CodeUnauthenticated)
	}
	if n := g.asked.Load(); n != 0 {
		t.Errorf("the service was asked %d times", n)
	}
}

func TestTheServiceRefuses(t *testing.T) {
	t.Parallel()
	for code, body := range map[api.Code]string{
		api.CodeUnauthenticated: `{"code":"unauthenticated","detail":"d"}`,
		api.CodeKeyDisabled:     `{"code":"key-disabled","detail":"the key \"ci\" is disabled"}`,
		api.CodeKeyExpired:      `{"code":"key-expired","detail":"d"}`,
		api.CodeForbidden:       `{"code":"forbidden","detail":"d"}`,
	} {
		info, _ := code.Info()
		g := guard(t, problem(info.Status, body), nil)
		g.refused(g.call("X-API-Key", secret.New(secret.Key).Reveal()), code)
	}
}

// TestRateLimits: what the service says of them reaches the client, whether the request passes or not.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	limited := func(retryAfter string, then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("RateLimit", `"key";r=0;t=7`)
			w.Header().Set("RateLimit-Policy", `"key";q=1;w=7`)
			w.Header().Set("Retry-After", retryAfter)
			w.Header().Set("Set-Cookie", "a=b")
			then(w, r)
		}
	}
	key := secret.New(secret.Key).Reveal()
	check := func(w *httptest.ResponseRecorder, retryAfter string) {
		t.Helper()
		h := w.Header()
		if h.Get("RateLimit") != `"key";r=0;t=7` || h.Get("RateLimit-Policy") != `"key";q=1;w=7` || h.Get("Retry-After") != retryAfter ||
			h.Get("Set-Cookie") != "" {
			t.Errorf("header %v", h)
		}
	}
	g := guard(t, limited("", admit), nil)
	w := g.call("X-API-Key", key)
	if check(w, ""); w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
	for code, waits := range map[api.Code]map[string]string{
		api.CodeRateLimited:  {"7": "7", "": "1", "-1": "1", "soon": "1", strings.Repeat("9", 99): "1"},
		api.CodeTooManyTries: {"10": "10"},
	} {
		for sent, want := range waits {
			g := guard(t, limited(sent, problem(http.StatusTooManyRequests, `{"code":"`+string(code)+`","detail":"d"}`)), nil)
			w := g.call("X-API-Key", key)
			g.refused(w, code)
			check(w, want)
		}
	}
	g = guard(t, limited("7", problem(http.StatusServiceUnavailable, `{"code":"rate-limited"}`)), nil)
	w = g.call("X-API-Key", key)
	if g.refused(w, api.CodeUnavailable); w.Header().Get("RateLimit") != "" {
		t.Errorf("header %v", w.Header())
	}
}

// TestNothingElseIsAYes: whatever a broken or hostile service answers, or does not, the API stays closed.
func TestNothingElseIsAYes(t *testing.T) {
	t.Parallel()
	with := func(name, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Keyfob-Org", "acme")
			w.Header().Set("Keyfob-Key-Id", "key_1")
			w.Header().Set("Keyfob-Key-Name", "ci")
			w.Header().Set(name, value)
			w.WriteHeader(http.StatusNoContent)
		}
	}
	for name, service := range map[string]http.HandlerFunc{
		"200":            func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Keyfob-Org", "acme") },
		"204 of another": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"no org":         with("Keyfob-Org", ""),
		"no id":          with("Keyfob-Key-Id", ""),
		"an odd id":      with("Keyfob-Key-Id", "usr_1"),
		"no name":        with("Keyfob-Key-Name", ""),
		"an odd name":    with("Keyfob-Key-Name", "%zz"),
		"another org":    with("Keyfob-Org", "globex"),
		"large header":   with("X", strings.Repeat("x", 64<<10)),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		},
		"500":              problem(500, `{"code":"internal"}`),
		"503":              problem(503, `{"code":"unavailable"}`),
		"404":              problem(404, `{"code":"not-found"}`),
		"a gateway's 429":  problem(429, `slow down`),
		"a page":           problem(403, `<html>blocked</html>`),
		"an unknown code":  problem(401, `{"code":"new"}`),
		"a code elsewhere": problem(403, `{"code":"key-disabled"}`),
		"endless":          problem(401, `{"code":"`+strings.Repeat("x", 1<<20)),
		"hangs up":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hangs":            func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"half of an answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusUnauthorized)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, service, func(cfg *keyauth.Config) {
				cfg.Org, cfg.Transport, cfg.Timeout = "acme", nil, 5*time.Second
				if strings.HasPrefix(name, "ha") {
					cfg.Timeout = 100 * time.Millisecond
				}
			})
			g.refused(g.call("X-API-Key", secret.New(secret.Key).Reveal()), api.CodeUnavailable)
		})
	}
	t.Run("away", func(t *testing.T) {
		t.Parallel()
		g := guard(t, admit, func(cfg *keyauth.Config) { cfg.URL = "http://127.0.0.1:1" })
		g.refused(g.call("X-API-Key", secret.New(secret.Key).Reveal()), api.CodeUnavailable)
	})
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "keys.example.com", "http://keys.example.com", "ftp://127.0.0.1", "https://", "https://kf_x@keys.example.com", "https://k/v1",
		"https://k?x=1", "https://k#x", "://",
	} {
		if _, err := keyauth.New(keyauth.Config{URL: url}); err == nil || strings.Contains(err.Error(), "kf_x") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := keyauth.New(keyauth.Config{URL: "https://k", Timeout: -1}); err == nil {
		t.Error("a negative timeout passes")
	}
	for _, url := range []string{"https://keys.example.com/", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost"} {
		if _, err := keyauth.New(keyauth.Config{URL: url}); err != nil {
			t.Error(err)
		}
	}
	if _, ok := keyauth.FromContext(t.Context()); ok {
		t.Error("nobody was let in")
	}
}
