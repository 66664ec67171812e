package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
	"github.com/keyfob/keyfob/pkg/secret"
	"github.com/keyfob/keyfob/test/oidc/issuer"
)

// deadline bounds each command of a script.
const deadline = 30 * time.Second

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":         cmdExits,
		"service":       cmdService,
		"quickstart":    cmdQuickstart,
		"interrupt":     cmdInterrupt,
		"http":          cmdHTTP,
		"json":          cmdJSON,
		"hostile":       cmdHostile,
		"kill9":         cmdKill9,
		"change":        cmdChange,
		"bearer":        cmdBearer,
		"watch":         cmdWatch,
		"terminal":      cmdTerminal,
		"mint":          cmdMint,
		"interrupted":   cmdInterrupted,
		"joins":         cmdJoins,
		"fresh":         cmdFresh,
		"canary":        cmdCanary,
		"connectkilled": cmdConnectKilled,
		"together":      cmdTogether,
		"signin":        cmdSignin,

		"rotatekilled": cmdRotateKilled,

		"issuer":   cmdIssuer,
		"jobtoken": cmdJobToken,
	}
}

// cmdExits runs a program and asks for its exact exit code: exits CODE PROGRAM [ARG…].
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// cmdService starts a service on a free port and a data directory of its own, and signs the script in to it through
// KEYFOB_URL and KEYFOB_TOKEN: service [FLAG…].
func cmdService(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.MkdirTemp(ts.MkAbs("."), "service-*")
	ts.Check(err)
	on := database(ts)
	ts.Check(ts.Exec("keyfobd", append([]string{"bootstrap", "-o", "json", "--data-dir", data, "--org", "acme", "--user", "ada"}, on...)...))
	var made struct {
		Session string `json:"session"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &made))
	serve(ts, data, append(on, args...))
	ts.Setenv("KEYFOB_TOKEN", made.Session)
	ts.Setenv("TOKEN", made.Session)
}

// cmdFresh starts a service that nobody has an account of and sets SETUP to the link that it prints: fresh [FLAG…].
func cmdFresh(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.MkdirTemp(ts.MkAbs("."), "service-*")
	ts.Check(err)
	ts.Setenv("SETUP", serve(ts, data, append(database(ts), args...)))
}

// database are the flags by which a service takes what the tests run on (-database).
func database(ts *testscript.TestScript) (flags []string) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	url, remove, err := dbtest.Make(ctx)
	ts.Check(err)
	ts.Defer(func() { ts.Check(remove()) }) // after the service has stopped
	if url == "" {
		return nil
	}
	return []string{"--database", url}
}

// serve starts a service, sets the variables that lead to it, and returns the set-up link that it prints.
func serve(ts *testscript.TestScript, data string, args []string) string {
	p := start(ts, "keyfobd", append([]string{"serve", "-o", "json", "--listen", "127.0.0.1:0", "--data-dir", data}, args...)...)
	var ready struct {
		Service struct {
			URL      string `json:"url"`
			SetupURL string `json:"setup_url"`
		} `json:"service"`
	}
	p.firstObject(ts, &ready)
	ts.Defer(func() { p.stop(ts) })
	ts.Setenv("KEYFOB_URL", ready.Service.URL)
	ts.Setenv("URL", ready.Service.URL)
	ts.Setenv("ADDRESS", strings.TrimPrefix(ready.Service.URL, "http://"))
	return ready.Service.SetupURL
}

// cmdQuickstart runs `keyfob quickstart -o json` in the background until it has printed: quickstart [FLAG…]. It sets URL,
// MCP, SECRET, KEY and writes the object to quickstart.json.
func cmdQuickstart(ts *testscript.TestScript, _ bool, args []string) {
	p := start(ts, "keyfob", append([]string{"quickstart", "-o", "json"}, args...)...)
	var out struct {
		Service struct{ URL string }
		MCP     struct{ URL string }
		Key     struct{ ID string }
		Secret  string
	}
	doc := p.firstObject(ts, &out)
	ts.Defer(func() { p.stop(ts) })
	ts.Value(quickstartKey{}).(*held).process = p
	ts.Setenv("URL", out.Service.URL)
	ts.Setenv("MCP", out.MCP.URL)
	ts.Setenv("KEY", out.Key.ID)
	ts.Setenv("SECRET", out.Secret)
	_, err := ts.Stdout().Write(doc)
	ts.Check(err)
}

// cmdInterrupt sends Ctrl-C to the quickstart and asks for exit code 0: interrupt.
func cmdInterrupt(ts *testscript.TestScript, _ bool, _ []string) {
	p := ts.Value(quickstartKey{}).(*held).process
	if p == nil {
		ts.Fatalf("no quickstart runs")
	}
	p.stop(ts)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("exit code %d, want 0\nstderr: %s", code, p.stderr.String())
	}
}

// cmdKill9 kills the quickstart so that it can't take its service down, and waits until the service has let go of the data
// directory by itself: kill9 DATADIR.
func cmdKill9(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value(quickstartKey{}).(*held).process
	ts.Check(p.cmd.Process.Kill())
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	lock := flock.New(ts.MkAbs(args[0]) + "/keyfobd.lock")
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		ts.Fatalf("the service outlived its parent: %v", err)
	}
	ts.Check(lock.Unlock())
}

// cmdJSON reads a value of the JSON object on the last stdout (or stderr) into a variable or compares it:
// json [stderr] PATH = VALUE, json PATH > VAR. PATH is member names, indexes and, for a list, len, with dots.
func cmdJSON(ts *testscript.TestScript, _ bool, args []string) {
	from := "stdout"
	if args[0] == "stderr" {
		from, args = "stderr", args[1:]
	}
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(from)), &doc))
	value := doc
	for step := range strings.SplitSeq(args[0], ".") {
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				ts.Fatalf("no member %q in %s", step, args[0])
			}
			value = next
		case []any:
			if step == "len" {
				value = len(v)
				continue
			}
			i, err := strconv.Atoi(step)
			ts.Check(err)
			if i >= len(v) {
				ts.Fatalf("no element %d in %s", i, args[0])
			}
			value = v[i]
		default:
			ts.Fatalf("nothing below %q in %s", step, args[0])
		}
	}
	got := fmt.Sprint(value)
	if args[1] == ">" {
		ts.Setenv(args[2], got)
		return
	}
	if want := strings.Join(args[2:], " "); got != want {
		ts.Fatalf("%s is %q, want %q", args[0], got, want)
	}
}

// cmdHostile starts a server that answers everything with one thing and sets HOSTILE to its URL: hostile STATUS [HEADER: VALUE…] [@BODYFILE].
func cmdHostile(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	headers, body := args[1:], ""
	if n := len(headers); n > 0 && strings.HasPrefix(headers[n-1], "@") {
		body = ts.ReadFile(headers[n-1][1:])
		headers = headers[:n-1]
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	server := &http.Server{ReadHeaderTimeout: deadline, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})}
	go func() { _ = server.Serve(listener) }()
	ts.Defer(func() { _ = server.Close() })
	ts.Setenv("HOSTILE", "http://"+listener.Addr().String())
}

// cmdChange sets a variable to a secret with one character changed: change VAR SECRET.
func cmdChange(ts *testscript.TestScript, _ bool, args []string) {
	b := []byte(args[1])
	middle := len(b) / 2
	if b[middle] == 'x' {
		b[middle] = 'y'
	} else {
		b[middle] = 'x'
	}
	ts.Setenv(args[0], string(b))
}

// cmdBearer sets a variable to the secret in a file: bearer VAR FILE.
func cmdBearer(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// cmdMint sets a variable to a session token that is well-formed and nobody's: mint VAR.
func cmdMint(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], secret.New(secret.Session).Reveal())
}

// cmdInterrupted runs a program against a service that never answers, sends Ctrl-C once its request has come, and asks for its
// exit code: interrupted CODE PROGRAM [ARG…].
func cmdInterrupted(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	asked := make(chan struct{}, 1)
	server := &http.Server{ReadHeaderTimeout: deadline, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	ts.Setenv("KEYFOB_URL", "http://"+listener.Addr().String())
	p := start(ts, args[1], args[2:]...)
	go p.drain()
	select {
	case <-asked:
	case <-time.After(deadline):
		_ = p.cmd.Process.Kill()
		ts.Fatalf("no request came")
	}
	p.stop(ts)
	_, _ = ts.Stderr().Write(p.stderr.Bytes())
	if code := p.cmd.ProcessState.ExitCode(); code != want {
		ts.Fatalf("exit code %d, want %d\nstderr: %s", code, want, p.stderr.String())
	}
}

// held is the one quickstart, and the one OpenID provider, of a script.
type held struct {
	issuer   *issuer.Issuer // of jobs
	process  *process
	upstream *upstream
}

type quickstartKey struct{}
