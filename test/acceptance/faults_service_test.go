package acceptance

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look at the database that the service leaves
)

// victim is a service, as a process, that is killed and started again on the same address; and a proxy before it that says when.
type victim struct {
	*testing.T
	data, token string
	address     string // once it listened
	url         string // the proxy's

	mu       sync.Mutex // of the process: one kill at a time
	cmd      *exec.Cmd
	requests int
	at       int // the request at which hook is called; 0: none
	hook     func(forward func())
	busy     sync.WaitGroup // with the hook
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{T: t, data: filepath.Join(t.TempDir(), "data"), address: "127.0.0.1:0"}
	out, err := exec.CommandContext(t.Context(), program("keyfobd"), "bootstrap", "-o", "json", "--data-dir", v.data, "--org", "acme", "--user", "ada").Output()
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Session string }
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}
	v.token = made.Session
	v.start()
	t.Cleanup(func() { _ = v.kill() })
	through := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: v.address}) },
		ErrorLog: log.New(io.Discard, "", 0), // requests that are broken off are what it is for
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // as if there were no proxy
		},
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hook := v.count()
		if hook == nil {
			through.ServeHTTP(w, r)
			return
		}
		defer v.busy.Done()
		unheard := r.WithContext(context.WithoutCancel(r.Context())) // the service does it, and nobody hears of it
		hook(func() {
			defer func() { _ = recover() }()
			through.ServeHTTP(httptest.NewRecorder(), unheard)
		})
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(proxy.Close)
	v.url = proxy.URL
	return v
}

func program(name string) string { return filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), name) }

// start starts the service and waits until it says that it serves.
func (v *victim) start() {
	v.Helper()
	cmd := exec.CommandContext(context.Background(), program("keyfobd"), "serve", "-o", "json", "--listen", v.address, "--data-dir", v.data)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		v.Error(err)
		return
	}
	late := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	var ready struct{ Service struct{ URL string } }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		_ = cmd.Wait()
		v.Errorf("the service does not start: %v\n%s", err, errOut.String())
		return
	}
	v.cmd = cmd
	if strings.HasSuffix(v.address, ":0") {
		v.address = strings.TrimPrefix(ready.Service.URL, "http://")
	}
}

// kill kills the service with -9.
func (v *victim) kill() error {
	if v.cmd == nil {
		return nil
	}
	_ = v.cmd.Process.Kill()
	err := v.cmd.Wait()
	v.cmd = nil
	return err
}

// restart kills the service and starts another.
func (v *victim) restart() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.kill()
	v.start()
}

// arm has the hook called in place of the request of that number.
func (v *victim) arm(at int, hook func(forward func())) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests, v.at, v.hook = 0, at, hook
}

func (v *victim) count() func(func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests++
	if v.requests == v.at {
		v.busy.Add(1)
		return v.hook
	}
	return nil
}

// get asks the service itself and wants the status.
func (v *victim) get(path, bearer string, want int, into any) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), deadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.address+path, http.NoBody)
	if err != nil {
		v.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Close = true // a connection that is kept may be one to a service that was killed
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		v.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		v.Fatalf("%s answers %d, want %d: %s (%v)", path, res.StatusCode, want, body, err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(body, into); err != nil {
		v.Fatal(err)
	}
}

// sound ends the service and wants its database to be whole.
func (v *victim) sound() {
	v.Helper()
	_ = v.kill()
	db, err := sql.Open("sqlite", filepath.Join(v.data, "keyfob.db"))
	if err != nil {
		v.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRowContext(v.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		v.Errorf("integrity_check: %s (%v)", verdict, err)
	}
}
