package clients_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConformance runs the official suite's server scenarios against the hosted MCP server, at every protocol revision
// that it promises. conformance.yaml names those that do not apply, and why.
func TestConformance(t *testing.T) {
	t.Parallel()
	newEngine(t, "conformance") // skip before anything is built
	baseline, err := filepath.Abs("conformance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	server := withKey(t, start(t))
	for _, revision := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			results := t.TempDir()
			out, err := newEngine(t, "conformance").command(t.Context(), "conformance", "server", "--url", server,
				"--suite", "all", "--spec-version", revision, "--expected-failures", baseline, "-o", results).CombinedOutput()
			if err != nil {
				_, verdict, _ := strings.Cut(string(out), "SUMMARY ===")
				t.Errorf("%v\n%s\n%s", err, verdict, failedChecks(t, results))
			}
		})
	}
}

// failedChecks lists what the suite found wrong, expected or not.
func failedChecks(t *testing.T, results string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(results, "*", "checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var checks []struct {
			ID           string `json:"id"`
			Status       string `json:"status"`
			ErrorMessage string `json:"errorMessage"`
		}
		if err := json.Unmarshal(data, &checks); err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			if c.Status == "FAILURE" || c.Status == "WARNING" {
				list.WriteString(c.Status + " " + c.ID + ": " + c.ErrorMessage + "\n")
			}
		}
	}
	return list.String()
}

// withKey returns the URL of a proxy to the MCP server that adds the key: the suite cannot send headers of its own, and
// drops the URL's query in some scenarios. Host and Origin pass as they are, but for the proxy's own address.
func withKey(t *testing.T, q quickstart) string {
	t.Helper()
	target, err := url.Parse(q.MCP.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewUnstartedServer(nil)
	self := proxy.Listener.Addr().String()
	proxy.Config.Handler = &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host})
		if r.Out.Host = r.In.Host; r.In.Host == self {
			r.Out.Host = target.Host
		}
		if r.In.Header.Get("Origin") == "http://"+self {
			r.Out.Header.Set("Origin", "http://"+target.Host)
		}
		r.Out.Header.Set("Authorization", "Bearer "+q.Secret)
		// Whole before it goes on: an answer that comes before the last read of the body would close it, and the
		// connection with it.
		body, _ := io.ReadAll(r.In.Body) // too short a body fails the request
		r.Out.Body = io.NopCloser(bytes.NewReader(body))
	}}
	proxy.Start()
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	return proxy.URL + target.Path
}
