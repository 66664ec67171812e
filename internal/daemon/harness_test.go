package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const wait = 20 * time.Second

// running is a serveRun in its own goroutine.
type running struct {
	t    *testing.T
	url  string
	line string // what it said where it listens
	log  *watched
	stop context.CancelFunc
	done chan error
}

// start serves and waits until the process says that it listens.
func start(t *testing.T, dir string, edit func(*ServeOptions)) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	r := &running{t: t, log: &watched{}, stop: stop, done: make(chan error, 1)}
	opts := serveOptions(dir)
	opts.Out, opts.ErrOut = in, r.log
	if edit != nil {
		edit(opts)
	}
	go func() {
		err := serveRun(ctx, opts)
		_ = in.CloseWithError(io.EOF)
		r.done <- err
	}()
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it did not start: %v", <-r.done)
	}
	r.line = strings.TrimSpace(line)
	var said struct{ Service serviceDoc }
	if opts.JSON {
		noError(t, json.Unmarshal([]byte(line), &said))
		r.url = said.Service.URL
	}
	return r
}

func serveOptions(dir string) *ServeOptions {
	return &ServeOptions{
		Listen: "127.0.0.1:0", DataDir: dir, MCPName: "keyfob", LogFormat: "text", LogLevel: "info", JSON: true, Version: "v1", In: strings.NewReader(""),
		Out: io.Discard, ErrOut: io.Discard, Now: time.Now,
	}
}

// end stops the service and waits until it has.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	r.ended()
}

func (r *running) ended() {
	r.t.Helper()
	select {
	case err := <-r.done:
		noError(r.t, err)
	case <-time.After(wait):
		r.t.Fatalf("it did not stop:\n%s", r.log)
	}
}

type bootstrapped struct {
	Org     api.Org
	User    api.User
	Session string
}

func bootstrap(t *testing.T, dir string) bootstrapped {
	t.Helper()
	var out bytes.Buffer
	noError(t, bootstrapRun(t.Context(), &BootstrapOptions{
		DataDir: dir, OrgSlug: "acme", OrgName: "Acme", UserName: "ada", Out: &out, ErrOut: io.Discard, Now: time.Now,
	}))
	var doc bootstrapped
	noError(t, json.Unmarshal(out.Bytes(), &doc))
	return doc
}

// call makes a request and returns status and body.
func call(t *testing.T, method, url, bearer, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	noError(t, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: wait}
	resp, err := client.Do(req)
	noError(t, err)
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	noError(t, err)
	return resp.StatusCode, string(all)
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failure asserts that err is a failure with this code and exit.
func failure(t *testing.T, err error, code string, exit cliutil.Exit) *cliutil.Error {
	t.Helper()
	got, ok := errors.AsType[*cliutil.Error](err)
	if !ok || got.Code != code || got.Exit != exit || got.Message == "" {
		t.Fatalf("error %#v (%v), want code %s, exit %d", got, err, code, exit)
	}
	return got
}

// privateDir is an empty directory as a user has it.
func privateDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "keyfob")
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	noError(t, err)
	return info.Mode().Perm()
}

// watched is a log that tests wait on.
type watched struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	added chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.added != nil {
		close(w.added)
		w.added = nil
	}
	return w.buf.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// await waits until the log holds text.
func (w *watched) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(wait)
	for {
		w.mu.Lock()
		found := strings.Contains(w.buf.String(), text)
		if w.added == nil {
			w.added = make(chan struct{})
		}
		added := w.added
		w.mu.Unlock()
		if found {
			return
		}
		select {
		case <-added:
		case <-timeout:
			t.Fatalf("the log never held %q:\n%s", text, w)
		}
	}
}
