package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
)

const documentPath = "../../pkg/api/openapi.yaml"

// harness is a service on loopback with two organisations that know nothing of each other.
type harness struct {
	t            *testing.T
	server       *Server
	core         *core.Service
	url          string
	log          *logBuffer
	acme, globex tenant
	clock        *clock
	client       *http.Client
}

type tenant struct {
	org   core.Org
	user  core.User
	token string // of a session
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, log: &logBuffer{}, clock: &clock{now: time.Now()}}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "keyfob.db"))
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.core, err = core.New(core.Config{
		Store: db, Now: h.clock.Now, Log: log,
		Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, h.core.Close(context.WithoutCancel(t.Context()))) })
	h.server = New(Config{
		Core: h.core, MCP: api.MCPServer{Name: "keyfob", URL: "https://keys.example.com/mcp"},
		AllowedHosts: []string{"127.0.0.1", "localhost", "::1", "keys.example.com"}, Version: "v0.0.1", Log: log,
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
	token, _, err := h.core.StartSession(h.t.Context(), user.ID)
	noError(h.t, err)
	return tenant{org: org, user: user, token: token.Reveal()}
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
	if got, unavailable := a.header.Get("Retry-After"), info.Status == http.StatusServiceUnavailable; (got != "") != unavailable {
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

// checked holds every answer to the OpenAPI document and to the rules for all of them.
type checked struct {
	t        *testing.T
	base     http.RoundTripper
	document validator.Validator
}

func (c *checked) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := resp.Header.Get(name); !strings.HasPrefix(got, want) {
			c.t.Errorf("%s %s: %s is %q", req.Method, req.URL.Path, name, got)
		}
	}
	if documented(req) {
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if ok, errs := c.document.ValidateHttpResponse(req, resp); !ok {
			c.t.Errorf("%s %s answered %d against the document: %v\n%s", req.Method, req.URL.Path, resp.StatusCode, errs, body)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// documented says that the document has the operation; the table is compared with it elsewhere.
func documented(req *http.Request) bool {
	mux := http.NewServeMux()
	for _, r := range (&Server{}).routes() {
		mux.Handle(r.method+" "+r.pattern, http.NotFoundHandler())
	}
	_, pattern := mux.Handler(req)
	escaped := req.URL.EscapedPath() // the validator does not tell a/b from a%2Fb, nor does it know redirects
	return pattern != "" && req.Method != http.MethodHead && !strings.Contains(escaped, "%2F") && path.Clean(escaped) == escaped
}

func loadDocument(t *testing.T) validator.Validator {
	t.Helper()
	text, err := os.ReadFile(documentPath)
	noError(t, err)
	doc, err := libopenapi.NewDocument(text)
	noError(t, err)
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	t.Cleanup(v.Release)
	return v
}

// logBuffer collects a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
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
