package pages

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/logtest"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

const (
	testRequestID = "req_test"
	adasPassword  = "correct horse battery staple"
)

// harness is the pages of a service on loopback, with the org Acme that Ada owns.
type harness struct {
	t     *testing.T
	core  *core.Service
	pages *Pages
	url   string
	log   *logtest.Buffer
	clock *clock
	ada   core.User
}

// with changes what a harness is made of.
type with func(*Config, *core.Config)

func withOpenID(provider OpenID) with {
	return func(c *Config, domain *core.Config) {
		c.OpenID, domain.Passwords = provider, false
		domain.Joins = []core.Join{{Domain: "example.com", Org: "acme", Role: "member"}}
	}
}

func newHarness(t *testing.T, options ...with) *harness {
	t.Helper()
	return serve(t, httptest.NewUnstartedServer(nil), "http", options...)
}

func newTLSHarness(t *testing.T, options ...with) *harness {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.EnableHTTP2 = true
	return serve(t, web, "https", options...)
}

func serve(t *testing.T, web *httptest.Server, scheme string, options ...with) *harness {
	t.Helper()
	h := &harness{t: t, log: &logtest.Buffer{}, clock: &clock{now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)}}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "keyfob.db"))
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	log := slog.New(slog.NewTextHandler(h.log, nil))
	domain := core.Config{
		Store: db, Now: h.clock.Now, Log: log, Passwords: true,
		Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}},
	}
	cfg := Config{
		PublicURL: &url.URL{Scheme: scheme, Host: web.Listener.Addr().String()},
		Origin:    func(*http.Request) core.Origin { return core.Origin{AddressPrefix: "192.0.2.0/24"} },
		Now:       h.clock.Now, Log: log,
	}
	for _, o := range options {
		o(&cfg, &domain)
	}
	h.core, err = core.New(domain)
	noError(t, err)
	t.Cleanup(func() { noError(t, h.core.Close(context.WithoutCancel(t.Context()))) })
	if cfg.Core = h.core; cfg.Cookies == nil {
		cfg.Cookies = h.core
	}
	h.pages, err = New(cfg)
	noError(t, err)
	h.bootstrap(domain.Passwords)

	mux := http.NewServeMux()
	for _, r := range h.pages.Routes() {
		mux.HandleFunc(r.Method+" "+r.Pattern, r.Handle)
	}
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", testRequestID)
		mux.ServeHTTP(w, r)
	})
	if scheme == "https" {
		web.StartTLS()
	} else {
		web.Start()
	}
	t.Cleanup(web.Close)
	h.url = web.URL
	return h
}

func (h *harness) bootstrap(passwords bool) {
	h.t.Helper()
	if !passwords {
		_, _, err := h.core.Bootstrap(h.t.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
		noError(h.t, err)
		return
	}
	token, ok, err := h.core.OpenFirstSetUp(h.t.Context())
	noError(h.t, err)
	if !ok {
		h.t.Fatal("there is a user already")
	}
	h.ada, err = h.core.FinishSetUp(h.t.Context(), token, core.Account{
		OrgSlug: "acme", OrgName: "Acme", Email: "ada@example.com", UserName: "Ada", Password: adasPassword,
	}, core.Origin{})
	noError(h.t, err)
}

// start begins to sign a program in.
func (h *harness) start(name, host string) core.DeviceStart {
	h.t.Helper()
	started, err := h.core.StartDevice(h.t.Context(), core.Client{Name: name, Host: host}, "203.0.113.7")
	noError(h.t, err)
	return started
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
