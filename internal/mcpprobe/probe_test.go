package mcpprobe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keyfob/keyfob/internal/mcpprobe"
	"github.com/keyfob/keyfob/pkg/secret"
)

// seen is what a server got of one request.
type seen struct {
	method, uri, body string
	header            http.Header
}

// guarded asks for the key before next and records every request.
func guarded(t *testing.T, key secret.Secret, next http.Handler) (url string, requests func() []seen) {
	t.Helper()
	var (
		mu  sync.Mutex
		all []seen
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		all = append(all, seen{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+key.Reveal() {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "no: "+r.Header.Get("Authorization"), http.StatusUnauthorized)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL + "/mcp", func() []seen {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func sdkServer(tools, pageSize int) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "acme", Version: "1.2.3"}, &mcp.ServerOptions{PageSize: pageSize})
	for i := range tools {
		mcp.AddTool(s, &mcp.Tool{Name: fmt.Sprintf("tool_%02d", i)}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, nil
		})
	}
	return s
}

func TestAgainstTheOfficialServer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name            string
		opts            mcp.StreamableHTTPOptions
		tools, pageSize int
	}{
		{"stateless", mcp.StreamableHTTPOptions{Stateless: true}, 3, 100},
		{"stateless, plain answers", mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}, 3, 100},
		{"stateful", mcp.StreamableHTTPOptions{}, 3, 100},
		{"stateful, plain answers", mcp.StreamableHTTPOptions{JSONResponse: true}, 3, 100},
		{"stateful, resumable", mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}, 3, 100},
		{"pages", mcp.StreamableHTTPOptions{Stateless: true}, 7, 2},
		{"no tools", mcp.StreamableHTTPOptions{Stateless: true}, 0, 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			key := secret.New(secret.Key)
			server := sdkServer(tc.tools, tc.pageSize)
			handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &tc.opts)
			url, requests := guarded(t, key, handler)

			got, err := mcpprobe.Probe(t.Context(), mcpprobe.Request{URL: url + "?org=acme", Secret: key, Client: "keyfob", Version: "0.1"})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for i := range tc.tools {
				want = append(want, fmt.Sprintf("tool_%02d", i))
			}
			if got.ServerName != "acme" || got.ServerVersion != "1.2.3" || got.ProtocolVersion != "2025-11-25" || !slices.Equal(got.Tools, want) {
				t.Errorf("got %+v, want tools %q", got, want)
			}
			checkRequests(t, requests(), key, !tc.opts.Stateless)
		})
	}
}

func checkRequests(t *testing.T, requests []seen, key secret.Secret, stateful bool) {
	t.Helper()
	session := requests[1].header.Get("Mcp-Session-Id")
	if (session != "") != stateful {
		t.Errorf("session id %q", session)
	}
	for i, r := range requests {
		if strings.Contains(r.uri, key.Reveal()) || strings.Contains(r.body, key.Reveal()) || r.uri != "/mcp?org=acme" {
			t.Errorf("request %d: %s %s", i, r.uri, r.body)
		}
		wantVersion, wantSession := "2025-11-25", session
		if i == 0 {
			wantVersion, wantSession = "", ""
		}
		if v, s := r.header.Get("Mcp-Protocol-Version"), r.header.Get("Mcp-Session-Id"); v != wantVersion || s != wantSession {
			t.Errorf("request %d: protocol %q, session %q; want %q, %q", i, v, s, wantVersion, wantSession)
		}
		if ua := r.header.Get("User-Agent"); ua != "keyfob/0.1" {
			t.Errorf("request %d: user agent %q", i, ua)
		}
	}
	first := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"keyfob","version":"0.1"}}}`
	if requests[0].body != first || requests[1].body != `{"jsonrpc":"2.0","method":"notifications/initialized"}` || requests[2].body != `{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}` {
		t.Errorf("handshake\n%s\n%s\n%s", requests[0].body, requests[1].body, requests[2].body)
	}
	if last := requests[len(requests)-1].method; (last == http.MethodDelete) != stateful {
		t.Errorf("the last request is a %s", last)
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	server := sdkServer(1, 100)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
	url, requests := guarded(t, secret.New(secret.Key), handler)
	wrong := secret.New(secret.Key)
	_, err := mcpprobe.Probe(t.Context(), mcpprobe.Request{URL: url, Secret: wrong, Client: "keyfob", Version: "0.1"})
	var failed *mcpprobe.Error
	if !errors.Is(err, mcpprobe.ErrUnauthorized) || !errors.As(err, &failed) || failed.Step != mcpprobe.StepInitialize || failed.Status != http.StatusUnauthorized {
		t.Fatalf("got %v", err)
	}
	if want := "mcp initialize: the server refused the key (HTTP 401)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if n := len(requests()); n != 1 {
		t.Errorf("%d requests after a refusal", n)
	}
}

func TestRequestRefused(t *testing.T) {
	t.Parallel()
	key := secret.New(secret.Key)
	for _, url := range []string{
		"", "mcp", "ftp://h/", "https://", "https:/h", "https://u:topsecret@h/", "https://h/#topsecret", "https://h/?api_key=topsecret", "https://h/\ntopsecret", "http://[::1",
	} {
		_, err := mcpprobe.Probe(t.Context(), mcpprobe.Request{URL: url, Secret: key})
		if !errors.Is(err, mcpprobe.ErrRequest) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := mcpprobe.Probe(t.Context(), mcpprobe.Request{URL: "http://127.0.0.1:1/"}); !errors.Is(err, mcpprobe.ErrRequest) {
		t.Errorf("without a secret: %v", err)
	}
}
