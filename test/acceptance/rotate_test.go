package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyfob/keyfob/pkg/api"
)

// killer is a proxy before the service that kills a program at one of its requests.
type killer struct {
	url string

	mu       sync.Mutex
	requests int
	at       int // which request; 0: none
	before   bool
	victim   *os.Process
}

func newKiller(ts *testscript.TestScript) *killer {
	target, err := url.Parse(ts.Getenv("URL"))
	ts.Check(err)
	through := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0), // those whose client is killed are what it is for
	}
	k := &killer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := k.count()
		if mine && k.before {
			k.kill()
			return
		}
		if mine { // the service has done it, and nobody hears of it
			r = r.WithContext(context.WithoutCancel(r.Context()))
			through.ServeHTTP(httptest.NewRecorder(), r)
			k.kill()
			return
		}
		through.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	k.url = server.URL
	return k
}

// count counts a request and says whether it is the one.
func (k *killer) count() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.requests++
	return k.requests == k.at
}

func (k *killer) kill() { _ = k.victim.Kill() }

// run runs the program, killed at that request, and says whether it was.
func (k *killer) run(ts *testscript.TestScript, at int, before bool, args ...string) bool {
	cmd := k.command(ts, args...)
	k.mu.Lock()
	k.requests, k.at, k.before = 0, at, before
	ts.Check(cmd.Start())
	k.victim = cmd.Process
	k.mu.Unlock()
	return k.killed(ts, cmd.Wait())
}

func (*killer) killed(ts *testscript.TestScript, err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		ts.Check(err)
		return false
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		ts.Fatalf("the program failed rather than be killed: %v", err)
	}
	return true
}

func (k *killer) command(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), ts.Stderr()
	for _, v := range environment(ts) {
		if !strings.HasPrefix(v, "KEYFOB_URL=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "KEYFOB_URL="+k.url)
	return cmd
}

// cmdRotateKilled kills rotations at every step and runs them again: rotatekilled.
func cmdRotateKilled(ts *testscript.TestScript, _ bool, _ []string) {
	k := newKiller(ts)
	r := &rotations{ts: ts, killer: k}
	for at := 1; ; at++ {
		killed := false
		for _, before := range []bool{true, false} {
			args := r.next("")
			if killed = k.run(ts, at, before, args...); killed {
				r.again(args)
			}
		}
		if !killed {
			break
		}
	}
	if requests := r.points; requests < 14 {
		ts.Fatalf("only %d rotations were run", requests)
	}
	// In the hands of a sink: it has taken the secret, and kills who gave it.
	args := r.next(`test -e once || { touch once; kill -9 $PPID; }`)
	if !k.run(ts, 0, false, args...) {
		ts.Fatalf("the sink did not kill the program")
	}
	r.again(args)
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			ts.Fatalf("strace is missing")
		}
		ts.Logf("strace is missing: not killed at the files that it replaces")
		return
	}
	files := 0
	for _, call := range []string{"renameat", "fsync"} {
		for at := 1; at <= 4; at++ {
			args := r.next("")
			inject := fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, at)
			if !k.run(ts, 0, false, append([]string{strace, "-f", "-qq", "-o", ts.MkAbs("trace"), "-e", "trace=" + call, "-e", inject}, args...)...) {
				continue // strace counts the calls of each thread
			}
			r.again(args)
			files++
		}
	}
	if files < 2 {
		ts.Fatalf("the program was killed at %d files only", files)
	}
}

// rotations makes a key for each rotation that is killed.
type rotations struct {
	ts     *testscript.TestScript
	killer *killer
	points int
	key    string
	old    string
}

// next makes another key and returns the command that rotates it; then is what the second sink does when it has the secret.
func (r *rotations) next(then string) []string {
	r.points++
	r.key = fmt.Sprintf("key%d", r.points)
	r.ts.Check(r.ts.Exec("keyfob", "keys", "create", r.key, "-q"))
	r.old = strings.TrimSpace(r.ts.ReadFile("stdout"))
	if then == "" {
		then = ":"
	}
	return []string{
		r.ts.Getenv("BIN") + "/keyfob", "keys", "rotate", r.key, "-o", "json", "--grace", "1h", "--to", "dotenv:" + r.key + ".env#API_KEY",
		"--to", `exec:sh -c 'cat > ` + r.key + `.got; ` + then + `'`, "--check", `sh -c 'grep -q ^kf_'`,
	}
}

// again runs the command to its end and looks at what there is.
func (r *rotations) again(args []string) {
	r.get("/v1/self", r.old, http.StatusOK)
	r.killer.run(r.ts, 0, false, args...)
	got := r.ts.ReadFile(r.key + ".got")
	if env := r.ts.ReadFile(r.key + ".env"); env != "API_KEY="+got+"\n" {
		r.ts.Fatalf("%s: the sinks have %q and %q", r.key, got, env)
	}
	r.get("/v1/self", got, http.StatusOK)
	r.get("/v1/self", r.old, http.StatusOK)
	var list api.RotationList
	body := r.get("/v1/orgs/acme/keys/"+r.key+"/rotations", r.ts.Getenv("TOKEN"), http.StatusOK)
	r.ts.Check(json.Unmarshal(body, &list))
	if len(list.Rotations) != 1 || list.Rotations[0].State != api.RotationPromoted {
		r.ts.Fatalf("%s has the rotations %s", r.key, body)
	}
	var key api.KeyEnvelope
	r.ts.Check(json.Unmarshal(r.get("/v1/orgs/acme/keys/"+r.key, r.ts.Getenv("TOKEN"), http.StatusOK), &key))
	if len(key.Key.Secrets) != 2 {
		r.ts.Fatalf("%s has the secrets %+v", r.key, key.Key.Secrets)
	}
}

func (r *rotations) get(path, bearer string, want int) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.ts.Getenv("URL")+path, http.NoBody)
	r.ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := http.DefaultTransport.RoundTrip(req)
	r.ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	r.ts.Check(err)
	if res.StatusCode != want {
		r.ts.Fatalf("%s: %s answers %d: %s", r.key, path, res.StatusCode, body)
	}
	return body
}
