package clients_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// guarded is a keyfobd that stands before server-everything of the MCP project, with an owner who is signed in.
type guarded struct {
	quickstart
	upstream string        // URL of the MCP server itself
	calls    chan upstream // of tools, as they reach it
	stops    chan struct{} // notifications that a call is cancelled, as they reach it
}

// upstream is a call of a tool that reached the MCP server. left is closed when its request ends.
type upstream struct {
	tool string
	left <-chan struct{}
}

// startGuarded starts both. Between them stands a proxy that changes nothing and tells which calls come.
func startGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{calls: make(chan upstream, 64), stops: make(chan struct{}, 64)}
	g.upstream = everything(t)
	target, err := url.Parse(g.upstream)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host})
	}}
	watch := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // too short a body fails the request
		r.Body = io.NopCloser(bytes.NewReader(body))
		var message struct {
			Method string
			Params struct{ Name string }
		}
		_ = json.Unmarshal(body, &message) // no call otherwise
		switch message.Method {
		case "tools/call":
			left := make(chan struct{})
			defer close(left)
			g.calls <- upstream{message.Params.Name, left}
		case "notifications/cancelled":
			g.stops <- struct{}{}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		watch.CloseClientConnections()
		watch.Close()
	})
	g.keyfob, g.home = build(t), t.TempDir()
	data := t.TempDir()
	started(t, 20*time.Second, "keyfobd listens on", filepath.Join(filepath.Dir(g.keyfob), "keyfobd"), []string{"HOME=" + g.home},
		append(documented(t, watch.URL), "--listen", "127.0.0.1:0", "--data-dir", data)...)
	e := engine{home: g.home, path: []string{filepath.Dir(g.keyfob), "/usr/bin", "/bin"}}
	e.decode(t, &g.quickstart, "keyfob", "quickstart", "--once", "--data-dir", data)
	for _, c := range g.Checks {
		if !c.OK {
			t.Errorf("check %s failed", c.Name)
		}
	}
	return g
}

// documented returns the arguments that docs/gateways.md gives keyfobd, but for the MCP server's address.
func documented(t *testing.T, upstream string) []string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	const address = "http://127.0.0.1:9000"
	line := regexp.MustCompile("```sh\nkeyfobd (serve .*" + regexp.QuoteMeta(address) + "/mcp)\n```").FindSubmatch(doc)
	if line == nil {
		t.Fatal("docs/gateways.md has no command for an MCP server")
	}
	return strings.Fields(strings.Replace(string(line[1]), address, upstream, 1))
}

// everything starts server-everything and returns its URL. It takes a port from its environment and does not say which it got, so
// a free one is tried; somebody else may take it in between.
func everything(t *testing.T) string {
	t.Helper()
	e := newEngine(t, "mcp-server-everything")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().(*net.TCPAddr)
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	started(t, 20*time.Second, "listening on port", filepath.Join(e.bin(t, "node"), "node"),
		append(e.environ(), fmt.Sprintf("PORT=%d", at.Port)),
		filepath.Join(e.bin(t, "mcp-server-everything"), "mcp-server-everything"), "streamableHttp")
	return fmt.Sprintf("http://%s/mcp", at)
}

// started runs a program until the test is over, and returns once it has written what says that it is ready.
func started(t *testing.T, within time.Duration, ready, program string, env []string, args ...string) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.WaitDelay = env, 10*time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	err = cmd.Start()
	_ = in.Close()
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for from := bufio.NewScanner(out); from.Scan(); {
			lines <- from.Text()
		}
	}()
	t.Cleanup(func() {
		interrupt()
		for range lines { // to the end
		}
		_ = cmd.Wait()
		_ = out.Close()
	})
	late := time.After(within)
	var said []string
	for {
		select {
		case line, ok := <-lines:
			said = append(said, line)
			if !ok {
				t.Fatalf("%s ended\n%s", program, strings.Join(said, "\n"))
			}
			if strings.Contains(line, ready) {
				go func() {
					for range lines { // what it says later is nobody's matter
					}
				}()
				return
			}
		case <-late:
			t.Fatalf("%s is not ready\n%s", program, strings.Join(said, "\n"))
		}
	}
}
