package pages_test

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
	"github.com/keyfob/keyfob/internal/server"
	webpages "github.com/keyfob/keyfob/internal/server/pages"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	adasEmail    = "ada@example.com"
	adasPassword = "correct horse battery staple"
)

// service is the real service in this process, but for its clock: a fresh store behind the real server, on a loopback port
// or, behind the front, on https.
type service struct {
	core  *core.Service
	url   string
	clock *clock
}

// newService starts a service with the org Acme, which Ada Lovelace owns.
func newService(t *testing.T) *service {
	t.Helper()
	s := newFreshService(t)
	s.setUp(t)
	return s
}

func (s *service) setUp(t *testing.T) {
	t.Helper()
	token, _, err := s.core.OpenFirstSetUp(t.Context())
	noError(t, err)
	_, err = s.core.FinishSetUp(t.Context(), token, core.Account{
		OrgSlug: "acme", OrgName: "Acme, Inc.", Email: adasEmail, UserName: "Ada Lovelace", Password: adasPassword,
	}, core.Origin{})
	noError(t, err)
}

// newFreshService starts a service that nobody has set up.
func newFreshService(t *testing.T) *service {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	s, handler := build(t, &url.URL{Scheme: "http", Host: web.Listener.Addr().String()}, nil)
	web.Config = server.NewHTTPServer(handler, slog.New(slog.DiscardHandler))
	web.Start()
	t.Cleanup(web.Close)
	return s
}

// build makes the service that is reached at public. openID may be nil.
func build(t *testing.T, public *url.URL, openID webpages.OpenID) (*service, http.Handler) {
	t.Helper()
	s := &service{url: public.String(), clock: &clock{now: time.Date(2026, 11, 24, 14, 5, 0, 0, time.UTC)}}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "keyfob.db"))
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	log := slog.New(slog.DiscardHandler)
	s.core, err = core.New(core.Config{
		Store: db, Now: s.clock.Now, Log: log, Passwords: openID == nil,
		Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, s.core.Close(context.WithoutCancel(t.Context()))) })
	all, err := webpages.New(webpages.Config{
		Core: s.core, PublicURL: public, OpenID: openID, Cookies: s.core, Origin: server.Origin, Now: s.clock.Now, Log: log,
	})
	noError(t, err)
	var rows []server.Page
	for _, r := range all.Routes() {
		rows = append(rows, server.Page(r))
	}
	return s, server.New(server.Config{
		Core: s.core, PublicURL: public, Pages: rows, MCP: api.MCPServer{Name: "keyfob", URL: public.JoinPath("mcp").String()},
		AllowedHosts: []string{public.Hostname()}, Version: "v0.0.1", Log: log,
	})
}

// front is the TLS end that services with a name below example.com stand behind.
type front struct {
	web   *httptest.Server
	mu    sync.Mutex
	names map[string]http.Handler
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{names: map[string]http.Handler{}}
	f.web = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		handler := f.names[r.Host]
		f.mu.Unlock()
		if handler == nil {
			http.Error(w, "no service has the name "+r.Host, http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(f.web.Close)
	return f
}

func (f *front) address() string { return f.web.Listener.Addr().String() }

// service starts a service that people reach at https://NAME.
func (f *front) service(t *testing.T, name string, openID webpages.OpenID) *service {
	t.Helper()
	s, handler := build(t, &url.URL{Scheme: "https", Host: name}, openID)
	f.serve(name, handler)
	return s
}

func (f *front) serve(name string, handler http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names[name] = handler
}

// start begins to sign a program in.
func (s *service) start(t *testing.T, name, host string) core.DeviceStart {
	t.Helper()
	started, err := s.core.StartDevice(t.Context(), core.Client{Name: name, Host: host}, "203.0.113.7")
	noError(t, err)
	return started
}

// principal is Ada, signed in elsewhere.
func (s *service) principal(t *testing.T) core.Principal {
	t.Helper()
	user, err := s.core.SignInPassword(t.Context(), adasEmail, adasPassword, core.Origin{})
	noError(t, err)
	in, err := s.core.StartSession(t.Context(), user.ID, api.SessionCLI, core.Client{})
	noError(t, err)
	p, err := s.core.Authenticate(t.Context(), in.Token.Reveal())
	noError(t, err)
	return p
}

// invite returns the page by which the address joins Acme.
func (s *service) invite(t *testing.T, email string) string {
	t.Helper()
	_, token, err := s.core.AddMember(t.Context(), s.principal(t), "acme", email, api.RoleAdmin)
	noError(t, err)
	return "/setup/" + token
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
