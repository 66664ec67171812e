package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestServeFromNothing(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	r := start(t, dir, nil)
	if want := fmt.Sprintf(`{"service":{"url":%q,"data_dir":%q,"pid":%d}}`, r.url, dir, os.Getpid()); r.line != want {
		t.Errorf("it said %s, want %s", r.line, want)
	}
	var doc serviceDoc
	text, err := os.ReadFile(filepath.Join(dir, "service.json"))
	noError(t, err)
	noError(t, json.Unmarshal(text, &doc))
	if want := (serviceDoc{URL: r.url, PublicURL: r.url, Listen: strings.TrimPrefix(r.url, "http://"), PID: os.Getpid(), Version: "v1"}); doc != want {
		t.Errorf("service.json %+v, want %+v", doc, want)
	}
	if status, body := call(t, "GET", r.url+"/readyz", "", ""); status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
	session := bootstrap(t, dir).Session // while it serves
	status, body := call(t, "POST", r.url+"/v1/orgs/acme/keys", session, `{"name":"k"}`)
	if status != http.StatusCreated {
		t.Fatalf("create: %d %s", status, body)
	}
	var made api.KeyWithSecret
	noError(t, json.Unmarshal([]byte(body), &made))
	if status, body := call(t, "GET", r.url+"/v1/orgs/acme/mcp", session, ""); !strings.Contains(body, `"url":"`+r.url+`/mcp"`) {
		t.Errorf("mcp: %d %s", status, body)
	}
	if status, body := call(t, "GET", r.url+"/v1/self", made.Secret, ""); status != http.StatusOK {
		t.Errorf("self: %d %s", status, body)
	}
	for name, want := range map[string]os.FileMode{
		".": 0o700, "keyfob.db": 0o600, "master.key": 0o600, "pepper.key": 0o600, "keyfobd.lock": 0o600, "service.json": 0o600,
	} {
		if got := mode(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s has mode %o", name, got)
		}
	}
	r.end()
	if _, err := os.Stat(filepath.Join(dir, "service.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("service.json is still there: %v", err)
	}
	if log := r.log.String(); strings.Contains(log, session[5:]) || strings.Contains(log, made.Secret[4:]) {
		t.Error("the log holds a secret")
	}

	again := start(t, dir, nil)
	if status, body := call(t, "GET", again.url+"/v1/self", made.Secret, ""); status != http.StatusOK {
		t.Errorf("self after a restart: %d %s", status, body)
	}
	again.end()
}

func TestServeSaysWhereInWords(t *testing.T) {
	t.Parallel()
	r := start(t, privateDir(t), func(o *ServeOptions) { o.JSON = false })
	if !strings.HasPrefix(r.line, "keyfobd listens on http://127.0.0.1:") {
		t.Errorf("it said %q", r.line)
	}
	r.end()
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	r := start(t, dir, func(o *ServeOptions) { o.PublicURL, o.MCPName = "https://keys.example.com/", "acme-keys" })
	if !strings.HasPrefix(r.url, "http://127.0.0.1:") {
		t.Errorf("on this machine it is at %s", r.url)
	}
	session := bootstrap(t, dir).Session
	_, body := call(t, "GET", r.url+"/v1/orgs/acme/mcp", session, "")
	if want := `{"mcp":{"name":"acme-keys","url":"https://keys.example.com/mcp"}}`; strings.TrimSpace(body) != want {
		t.Errorf("mcp %s", body)
	}
	for host, want := range map[string]int{"keys.example.com": http.StatusUnauthorized, "evil.example": http.StatusForbidden} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/self", nil)
		noError(t, err)
		req.Host = host
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		noError(t, err)
		noError(t, resp.Body.Close())
		if resp.StatusCode != want {
			t.Errorf("Host %s: %d", host, resp.StatusCode)
		}
	}
	r.end()
}

func TestOneServiceADirectory(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	r := start(t, dir, nil)
	err := failure(t, serveRun(t.Context(), serveOptions(dir)), "data-dir-in-use", cliutil.ExitConflict)
	if !strings.Contains(err.Message, r.url) || !strings.Contains(err.Message, dir) {
		t.Errorf("message %q", err.Message)
	}
	if status, _ := call(t, "GET", r.url+"/readyz", "", ""); status != http.StatusOK {
		t.Error("the first service suffers from the second")
	}
	r.end()
	start(t, dir, nil).end()
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	noError(t, err)
	defer taken.Close()
	dir := privateDir(t)
	opts := serveOptions(dir)
	opts.Listen = taken.Addr().String()
	failed := failure(t, serveRun(t.Context(), opts), "address-in-use", cliutil.ExitConflict)
	if !strings.Contains(failed.Message, opts.Listen) || !strings.Contains(failed.Hint, "--listen") {
		t.Errorf("%q, %q", failed.Message, failed.Hint)
	}
	if _, err := os.Stat(filepath.Join(dir, "master.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("material was made for a service that never started: %v", err)
	}
	opts.Listen = "192.0.2.1:0" // TEST-NET-1: no address of this machine
	opts.InsecureHTTP, opts.PublicURL = true, "https://keys.example.com"
	failure(t, serveRun(t.Context(), opts), "cannot-listen", cliutil.ExitFailed)
}

func TestItStopsWithItsParent(t *testing.T) {
	t.Parallel()
	stdin, parent := io.Pipe()
	r := start(t, privateDir(t), func(o *ServeOptions) { o.ExitWithParent, o.In = true, stdin })
	_, err := parent.Write([]byte("ignored"))
	noError(t, err)
	if status, _ := call(t, "GET", r.url+"/healthz", "", ""); status != http.StatusOK {
		t.Fatal("it does not serve")
	}
	noError(t, parent.Close())
	r.ended()
}

func TestRequestsThatRunAreFinished(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	r := start(t, dir, nil)
	session := bootstrap(t, dir).Session
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	noError(t, err)
	defer conn.Close()
	noError(t, conn.SetDeadline(time.Now().Add(wait)))
	const body = `{"name":"slow"}`
	_, err = fmt.Fprintf(conn, "POST /v1/orgs/acme/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", session, len(body))
	noError(t, err)
	reader := bufio.NewReader(conn)
	interim, err := reader.ReadString('\n') // the handler is reading the body
	noError(t, err)
	if !strings.Contains(interim, "100 Continue") {
		t.Fatalf("it answered %q", interim)
	}
	r.stop()
	r.log.await(t, "stopping")
	_, err = io.WriteString(conn, body)
	noError(t, err)
	_, err = reader.ReadString('\n') // the empty line after 100
	noError(t, err)
	resp, err := http.ReadResponse(reader, nil)
	noError(t, err)
	noError(t, resp.Body.Close())
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("status %d", resp.StatusCode)
	}
	r.ended()
}

func TestOutThatIsGone(t *testing.T) {
	t.Parallel()
	opts := serveOptions(privateDir(t))
	out, in := io.Pipe()
	noError(t, out.Close())
	opts.Out = in
	if err := serveRun(t.Context(), opts); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(opts.DataDir, "service.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("service.json is still there: %v", err)
	}
}

// TestHangUp stops in order, so that what keys were used for is written. It is not parallel: SIGHUP is the process's.
func TestHangUp(t *testing.T) {
	dir := privateDir(t)
	r := start(t, dir, nil)
	self, err := os.FindProcess(os.Getpid())
	noError(t, err)
	noError(t, self.Signal(syscall.SIGHUP))
	r.ended()
	if _, err := os.Stat(filepath.Join(dir, serviceFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it did not stop in order: %v", err)
	}
}
