package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// connectTo runs connect for a client on a terminal, against a service with one active key.
func connectTo(t *testing.T, id string, asText bool, open func(string) error) (key secret.Secret, stdout, stderr string) {
	t.Helper()
	key = secret.New(secret.Key)
	answers := map[string]any{
		"GET /v1/orgs/acme/mcp":                api.MCPInfo{MCP: api.MCPServer{Name: "acme", URL: "https://keys.example.com/mcp"}},
		"GET /v1/orgs/acme/active-key":         api.KeyEnvelope{Key: api.Key{ID: "key_1", Name: "ci"}},
		"POST /v1/orgs/acme/keys/key_1/reveal": api.KeyWithSecret{Key: api.Key{ID: "key_1", Name: "ci"}, Secret: key.Reveal()},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			t.Errorf("unexpected request %s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	known, ok := mcpclient.Lookup(id)
	if !ok {
		t.Fatalf("no client %s", id)
	}
	streams, _, out, errOut := cliutil.TestStreams()
	streams.OutTTY = true
	err = connectRun(t.Context(), &ConnectOptions{
		Session: func(context.Context) (*cliutil.Session, error) { return &cliutil.Session{Client: c, Org: "acme"}, nil },
		Open:    open, Out: &cliutil.Output{Format: cliutil.FormatTable, IO: streams},
		Clients: []mcpclient.Client{known}, Shell: shellquote.Sh, Print: asText,
	})
	if err != nil {
		t.Fatal(err)
	}
	return key, out.String(), errOut.String()
}

// TestCursorIsOpened holds that the browser gets the link through a page, and that neither its URL nor the terminal shows the
// key.
func TestCursorIsOpened(t *testing.T) {
	t.Parallel()
	var opened, page string
	key, stdout, stderr := connectTo(t, "cursor", false, func(url string) error {
		opened = url
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		page = string(body)
		return err
	})
	if !strings.HasPrefix(opened, "http://127.0.0.1:") || strings.Contains(opened, "cursor") {
		t.Errorf("opened %q", opened)
	}
	if !strings.Contains(page, "cursor://anysphere.cursor-deeplink/mcp/install?name=acme&amp;config=") {
		t.Errorf("the page is %s", page)
	}
	if stdout != "" || strings.Contains(stdout+stderr, key.Reveal()) || !strings.Contains(stderr, "Cursor") {
		t.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
}

func TestCursorIsPrinted(t *testing.T) {
	t.Parallel()
	_, stdout, _ := connectTo(t, "cursor", true, func(string) error {
		t.Error("--print opened a browser")
		return nil
	})
	if !strings.HasPrefix(stdout, "cursor://") {
		t.Errorf("--print: %q", stdout)
	}
	_, stdout, stderr := connectTo(t, "cursor", false, func(string) error { return errors.New("no desktop") })
	if !strings.HasPrefix(stdout, "cursor://") || !strings.Contains(stderr, "no desktop") {
		t.Errorf("without a desktop: %q, %q", stdout, stderr)
	}
}

// TestOthersAreNotOpened holds that a command is printed even on a terminal.
func TestOthersAreNotOpened(t *testing.T) {
	t.Parallel()
	key, stdout, _ := connectTo(t, "claude-code", false, func(string) error {
		t.Error("a browser was opened")
		return nil
	})
	want := "claude mcp add --transport http --scope user acme https://keys.example.com/mcp --header 'Authorization: Bearer " + key.Reveal() + "'\n"
	if stdout != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
}
