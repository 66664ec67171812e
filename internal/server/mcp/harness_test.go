package mcp_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/server"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
)

// harness is a whole service on loopback, as a client meets it.
type harness struct {
	t        *testing.T
	core     *core.Service
	url      string // of the MCP endpoint
	client   *http.Client
	owner    core.Principal
	org      core.Org
	key      core.Key
	secret   string
	stranger string // a key of another org
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "keyfob.db"))
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	c, err := core.New(core.Config{
		Store: db, Now: time.Now, Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, c.Close(context.WithoutCancel(t.Context()))) })
	h := &harness{t: t, core: c}
	log := slog.New(slog.DiscardHandler)
	web := httptest.NewUnstartedServer(nil)
	web.Config = server.NewHTTPServer(server.New(server.Config{
		Core: c, MCP: api.MCPServer{Name: "acme-keys", URL: "http://127.0.0.1/mcp"},
		AllowedHosts: []string{"127.0.0.1"}, Version: "v1.2.3", Log: log,
	}), log)
	web.Start()
	t.Cleanup(web.Close)
	h.url, h.client = web.URL+"/mcp", web.Client()

	h.org, h.owner = h.bootstrap("acme", "Acme, Inc.")
	h.key, h.secret = h.newKey(h.owner, "acme", "ci")
	_, other := h.bootstrap("globex", "Globex")
	_, h.stranger = h.newKey(other, "globex", "foreign")
	return h
}

func (h *harness) bootstrap(slug, name string) (core.Org, core.Principal) {
	h.t.Helper()
	org, user, err := h.core.Bootstrap(h.t.Context(), core.Bootstrap{OrgSlug: slug, OrgName: name, UserName: slug + " owner"})
	noError(h.t, err)
	return org, core.Principal{User: user}
}

func (h *harness) newKey(p core.Principal, org, name string) (core.Key, string) {
	h.t.Helper()
	key, secret, _, err := h.core.CreateKey(h.t.Context(), p, org, core.NewKey{Name: name})
	noError(h.t, err)
	return key, secret.Reveal()
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
	status int
	header http.Header
	body   string
}

// post sends one message; header holds names and values in turn.
func (h *harness) post(message string, header ...string) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url, strings.NewReader(message))
	noError(h.t, err)
	header = append([]string{
		"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Authorization", "Bearer " + h.secret,
	}, header...)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := h.client.Do(req)
	noError(h.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	noError(h.t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// result sends one request and returns its result.
func (h *harness) result(message string, header ...string) map[string]any {
	h.t.Helper()
	a := h.post(message, header...)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		h.t.Fatalf("%d %s: %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	var reply struct {
		ID     any            `json:"id"`
		Result map[string]any `json:"result"`
	}
	noError(h.t, json.Unmarshal([]byte(a.body), &reply))
	if reply.ID == nil || reply.Result == nil {
		h.t.Fatalf("no result: %s", a.body)
	}
	return reply.Result
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dig follows names and indices into decoded JSON.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}
