// Package completion presses Tab in real shells, against a real service, a slow one and one that hangs.
package completion

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// bin returns the folder of both programs, built as for a release.
func bin(tb testing.TB) string {
	tb.Helper()
	dir, err := filepath.Abs(os.Getenv("KEYFOB_TEST_BIN"))
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "keyfob-completion-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", dir, "../../cmd/keyfob", "../../cmd/keyfobd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binaries: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("KEYFOB_TEST_BIN", dir); err != nil {
		return 1
	}
	return m.Run()
}

// world is a home of its own, signed in to a service through the environment.
type world struct {
	home string
	env  []string
}

func newWorld(tb testing.TB, url, token string) world {
	tb.Helper()
	home := tb.TempDir()
	return world{home: home, env: []string{
		"HOME=" + home, "PATH=" + bin(tb) + ":/usr/bin:/bin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TERM=xterm",
		"KEYFOB_URL=" + url, "KEYFOB_TOKEN=" + token, "KEYFOB_ORG=acme",
	}}
}

// keyfob runs the command line and returns its stdout; stderr must be what cobra says of the directive, or empty.
func (w world) keyfob(tb testing.TB, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), filepath.Join(bin(tb), "keyfob"), args...)
	cmd.Env = w.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("keyfob %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	if said := stderr.String(); args[0] == "__complete" && !strings.HasPrefix(said, "Completion ended with directive: ") {
		tb.Fatalf("stderr: %s", said)
	}
	return string(out)
}

// tab returns the words offered for the last argument, with their descriptions; files must not be.
func (w world) tab(tb testing.TB, args ...string) []string {
	tb.Helper()
	lines := strings.Split(strings.TrimSuffix(w.keyfob(tb, append([]string{"__complete"}, args...)...), "\n"), "\n")
	last := lines[len(lines)-1]
	if last != ":36" { // no files, order kept
		tb.Fatalf("directive %q", last)
	}
	return lines[:len(lines)-1]
}

// realService starts keyfobd and makes the keys.
func realService(t *testing.T, names ...string) world {
	t.Helper()
	data := t.TempDir()
	boot := exec.CommandContext(t.Context(), filepath.Join(bin(t), "keyfobd"),
		"bootstrap", "-o", "json", "--data-dir", data, "--org", "acme", "--user", "ada")
	var made struct {
		Session string `json:"session"`
	}
	out, err := boot.Output()
	if err != nil {
		t.Fatal(err)
	}
	decode(t, out, &made)

	ctx, stop := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	serve := exec.CommandContext(ctx, filepath.Join(bin(t), "keyfobd"), "serve", "-o", "json", "--listen", "127.0.0.1:0", "--data-dir", data)
	serve.Cancel = func() error { return serve.Process.Signal(syscall.SIGINT) }
	serve.WaitDelay = patience
	stdout, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = serve.Wait()
	})
	var ready struct {
		Service struct {
			URL string `json:"url"`
		} `json:"service"`
	}
	if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, ready.Service.URL, made.Session)
	for _, name := range names {
		w.keyfob(t, "keys", "create", name)
	}
	return w
}

// pagedService answers with n keys, k-00000 and on, a thousand a page; the page from hangAt on never comes.
func pagedService(tb testing.TB, n, hangAt int) world {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("page_token"))
		if from >= hangAt {
			<-r.Context().Done()
			return
		}
		var page api.KeyList
		for i := from; i < min(n, from+1000); i++ {
			key := api.Key{ID: fmt.Sprintf("key_%019d", i*7919), Name: fmt.Sprintf("k-%05d", i), Hint: fmt.Sprintf("kf_…%04d", i), Status: api.StatusEnabled}
			if i%3 == 0 {
				used := time.Now().Add(-time.Duration(i) * time.Minute)
				key.Status, key.LastUsedAt = api.StatusDisabled, &used
			}
			page.Keys = append(page.Keys, key)
		}
		if from+1000 < n {
			page.NextPageToken = strconv.Itoa(from + 1000)
		}
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(page)
	}))
	tb.Cleanup(server.Close)
	return newWorld(tb, server.URL, secret.New(secret.Session).Reveal())
}

// hungService is signed in to a service that accepts connections and says nothing.
func hungService(tb testing.TB) world {
	tb.Helper()
	return newWorld(tb, "http://"+hang(tb, "tcp", "127.0.0.1:0"), secret.New(secret.Session).Reveal())
}

// hungKeyring has no credential but what a session bus that says nothing may know.
func hungKeyring(tb testing.TB) world {
	tb.Helper()
	w := newWorld(tb, "https://keys.invalid", "")
	w.env = append(w.env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+hang(tb, "unix", filepath.Join(tb.TempDir(), "bus")))
	return w
}

func hang(tb testing.TB, network, address string) string {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), network, address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	go func() {
		var held []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			held = append(held, conn)
		}
		for _, conn := range held {
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func decode(tb testing.TB, doc []byte, into any) {
	tb.Helper()
	if err := json.Unmarshal(doc, into); err != nil {
		tb.Fatal(err)
	}
}

// need skips the test where a tool is missing; in CI it fails.
func need(tb testing.TB, tools ...string) {
	tb.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s is not installed", tool)
		}
		tb.Skipf("%s is not installed", tool)
	}
}
