package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/logtest"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

// harness is a service on loopback with two organisations that know nothing of each other.
type harness struct {
	t            *testing.T
	server       *Server
	core         *core.Service
	url          string
	db           dbtest.Database
	log          *logtest.Buffer
	acme, globex tenant
	clock        *clock
	client       *http.Client
}

type tenant struct {
	org   core.Org
	user  core.User
	token string // of a session
}

func newHarness(t *testing.T, change ...func(*core.Config)) *harness {
	t.Helper()
	h := &harness{t: t, log: &logtest.Buffer{}, clock: &clock{now: time.Now()}}
	h.db = dbtest.New(t)
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := core.Config{
		Store: h.db.Open(t), Now: h.clock.Now, Log: log,
		Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}}, Passwords: true,
		Tokens: openid.NewJobs(nil, true),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	h.core, err = core.New(cfg)
	noError(t, err)
	t.Cleanup(func() { noError(t, h.core.Close(context.WithoutCancel(t.Context()))) })
	h.server = New(Config{
		Core: h.core, PublicURL: &url.URL{Scheme: "https", Host: "keys.example.com"},
		MCP:          api.MCPServer{Name: "keyfob", URL: "https://keys.example.com/mcp"},
		AllowedHosts: []string{"127.0.0.1", "localhost", "::1", "keys.example.com"}, Version: "v0.0.1", Log: log,
		Pages: testPages(),
	})
	web := httptest.NewUnstartedServer(nil)
	web.Config = NewHTTPServer(h.server, log)
	web.Start()
	t.Cleanup(web.Close)
	h.url = web.URL
	h.client = &http.Client{
		Transport:     &checked{t: t, base: web.Client().Transport, document: loadDocument(t)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	h.acme, h.globex = h.tenant("acme", "Acme, Inc."), h.tenant("globex", "Globex")
	return h
}

func (h *harness) tenant(slug, name string) tenant {
	h.t.Helper()
	org, user, err := h.core.Bootstrap(h.t.Context(), core.Bootstrap{OrgSlug: slug, OrgName: name, UserName: slug + " owner"})
	noError(h.t, err)
	return tenant{org: org, user: user, token: h.signIn(user, api.SessionCLI)}
}

// signIn returns the token of a new session.
func (h *harness) signIn(user core.User, kind api.SessionKind) string {
	h.t.Helper()
	in, err := h.core.StartSession(h.t.Context(), user.ID, kind, core.Client{Name: "keyfob", Host: "box"})
	noError(h.t, err)
	return in.Token.Reveal()
}

// join makes a user, if there is none of that address, a member of an org and signs them in.
func (h *harness) join(to tenant, email string, role api.Role) tenant {
	h.t.Helper()
	body := `{"email":` + quote(email) + `,"role":` + quote(string(role)) + `}`
	h.as(to, "POST", "/v1/orgs/"+to.org.Slug+"/members", body).want(http.StatusCreated)
	user, err := h.core.SignInIdentity(h.t.Context(), core.Identity{
		Issuer: "https://login.example.com", Subject: email, Email: email, EmailVerified: true, Name: email,
	})
	noError(h.t, err)
	return tenant{org: to.org, user: user, token: h.signIn(user, api.SessionCLI)}
}

// newToken makes a token of the user's for a program.
func (h *harness) newToken(who tenant, name string, permissions ...api.Permission) api.TokenCreated {
	h.t.Helper()
	body, err := json.Marshal(api.CreateTokenRequest{Name: name, Permissions: permissions, ExpiresAt: h.clock.Now().Add(time.Hour)})
	noError(h.t, err)
	a := h.as(who, "POST", "/v1/orgs/"+who.org.Slug+"/tokens", string(body)).want(http.StatusCreated)
	return decodeAs[api.TokenCreated](a)
}

// on returns the harness for a subtest.
func (h *harness) on(t *testing.T) *harness {
	t.Helper()
	sub := *h
	sub.t = t
	return &sub
}

// answer is a response with its body read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// call sends a request; header holds names and values in turn.
func (h *harness) call(method, path, body string, header ...string) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	noError(h.t, err)
	if body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	return h.send(req)
}

func (h *harness) send(req *http.Request) answer {
	h.t.Helper()
	resp, err := h.client.Do(req)
	noError(h.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	noError(h.t, err)
	return answer{h.t, resp.StatusCode, resp.Header, text}
}

// as is call with the tenant's session and, with a body, JSON's media type.
func (h *harness) as(who tenant, method, path, body string, header ...string) answer {
	h.t.Helper()
	header = append(header, "Authorization", "Bearer "+who.token)
	if body != "" && !strings.Contains(strings.Join(header, " "), "Content-Type") {
		header = append(header, "Content-Type", "application/json")
	}
	return h.call(method, path, body, header...)
}

// newKey makes a key in an org and returns it with its secret.
func (h *harness) newKey(who tenant, name string) (api.Key, string) {
	h.t.Helper()
	a := h.as(who, "POST", "/v1/orgs/"+who.org.Slug+"/keys", `{"name":`+quote(name)+`}`)
	a.want(http.StatusCreated)
	made := decodeAs[api.KeyWithSecret](a)
	return made.Key, made.Secret
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// problem asserts that the answer is the problem with this code, complete and by the table.
func (a answer) problem(code api.Code) api.Problem {
	a.t.Helper()
	info, ok := code.Info()
	if !ok {
		a.t.Fatalf("unknown code %s", code)
	}
	a.want(info.Status)
	p := decodeAs[api.Problem](a)
	want := api.Problem{
		Type: "urn:keyfob:problem:" + string(code), Title: info.Title, Status: info.Status, Code: code,
		RequestID: a.header.Get("Request-Id"), Detail: p.Detail, Fix: p.Fix, LastUsedAt: p.LastUsedAt, Calls24h: p.Calls24h,
	}
	if p != want || p.Detail == "" || !strings.HasPrefix(p.RequestID, "req_") {
		a.t.Fatalf("problem %+v, want %+v", p, want)
	}
	if recent := code == api.CodeKeyRecentlyUsed; recent != (p.LastUsedAt != nil) {
		a.t.Fatalf("the last use of %+v", p)
	}
	later := info.Status == http.StatusServiceUnavailable || info.Status == http.StatusTooManyRequests
	if got := a.header.Get("Retry-After"); (got != "") != later {
		a.t.Fatalf("Retry-After %q", got)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("Content-Type %q", got)
	}
	return p
}

func decodeAs[T any](a answer) T {
	a.t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond) // no two moments are the same
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
