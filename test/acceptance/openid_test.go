package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// fetchTime bounds what is asked of the Go module proxy, and buildTime what is built of it.
const (
	fetchTime = 2 * time.Minute
	buildTime = 5 * time.Minute
)

// TestOpenID signs people in at a provider that others wrote (test/oidc/provider), from the command line to the page where they
// give their password and back.
func TestOpenID(t *testing.T) {
	t.Parallel()
	buildProvider(t)
	cmds := commands()
	maps.Copy(cmds, openIDCommands())
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/openid",
		Setup:               setup,
		Cmds:                cmds,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// buildProvider builds the provider beside the binaries. It is a module of its own, so that what it needs is in no go.mod of ours.
func buildProvider(t *testing.T) {
	t.Helper()
	goes := func(limit time.Duration, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = filepath.Join("..", "oidc", "provider")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	begin := time.Now()
	if out, err := goes(fetchTime, "mod", "download"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the provider can't be fetched: %v\n%s", err, out)
		}
		t.Skipf("the provider is not in the module cache and can't be fetched: %v\n%s", err, out)
	}
	if out, err := goes(buildTime, "build", "-buildvcs=false", "-o", filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), "provider"), "."); err != nil {
		t.Fatalf("build the provider: %v\n%s", err, out)
	}
	t.Logf("the provider was built in %s", time.Since(begin).Round(time.Millisecond))
}

func openIDCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"provider": cmdProvider,
		"answers":  cmdAnswers,
		"login":    cmdLogin,
		"lost":     cmdLost,
		"visit":    cmdVisit,
		"flood":    cmdFlood,
	}
}

// upstream is the one provider of a script.
type upstream struct {
	*process
	stdin io.WriteCloser
}

// cmdProvider starts the provider with the accounts of a file and sets ISSUER. Until the command answers it accepts connections
// and says nothing: provider USERS.
func cmdProvider(ts *testscript.TestScript, _ bool, args []string) {
	p := prepare(ts, "provider", ts.MkAbs(args[0]))
	stdin, err := p.cmd.StdinPipe()
	ts.Check(err)
	p.begin(ts)
	var issuer string
	p.firstObject(ts, &issuer)
	up := &upstream{p, stdin}
	ts.Value(quickstartKey{}).(*held).upstream = up
	ts.Defer(func() { up.close(ts) })
	ts.Setenv("ISSUER", issuer)
}

// cmdAnswers has the provider serve, and send browsers back to one address: answers CALLBACK.
func cmdAnswers(ts *testscript.TestScript, _ bool, args []string) {
	_, err := fmt.Fprintln(ts.Value(quickstartKey{}).(*held).upstream.stdin, args[0])
	ts.Check(err)
}

// close ends the provider; to end it twice does nothing.
func (u *upstream) close(ts *testscript.TestScript) {
	_ = u.stdin.Close()
	select {
	case <-u.done:
	case <-time.After(deadline):
		_ = u.cmd.Process.Kill()
		ts.Fatalf("the provider did not stop within %s", deadline)
	}
}

// cmdLogin runs `keyfob auth login` while a person opens the page that it prints, signs in at the provider and approves. STATUS
// is that of the page the person ends on; where that is not 200, Ctrl-C ends the command. stdout is the page, stderr the
// command's: login STATUS USER PASSWORD [FLAG…].
func cmdLogin(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	p := prepare(ts, "keyfob", append([]string{"auth", "login", "--url", ts.Getenv("URL"), "--no-browser"}, args[3:]...)...)
	said := &awaited{pattern: regexp.MustCompile(`Open (\S+) and enter the code ([A-Z-]+)\n`), found: make(chan []string, 1)}
	p.cmd.Stderr = said
	p.begin(ts)
	go p.drain()
	defer p.stop(ts)
	var prompt []string
	select {
	case prompt = <-said.found:
	case <-p.done:
		ts.Fatalf("the command ended before it asked for anybody: %s", said)
	case <-time.After(deadline):
		ts.Fatalf("the command asked for nobody within %s: %s", deadline, said)
	}
	b := newBrowser(ts)
	page := b.atProvider(prompt[1]+"?code="+prompt[2], args[1], args[2])
	exit := 130
	if want == http.StatusOK && page.status == want {
		page = b.submit(page, map[string]string{"decision": "approve"})
		exit = 0
		select {
		case <-p.done:
		case <-time.After(deadline):
			ts.Fatalf("the command waits on after the approval: %s", said)
		}
	} else {
		p.stop(ts)
	}
	_, err = io.WriteString(ts.Stdout(), page.text)
	ts.Check(err)
	_, err = io.WriteString(ts.Stderr(), said.String())
	ts.Check(err)
	if got := p.cmd.ProcessState.ExitCode(); page.status != want || got != exit {
		ts.Fatalf("the person ends on %d, want %d; the command exits with %d, want %d\n%s\n%s", page.status, want, got, exit, page.text, said)
	}
}

// awaited is a stream that is watched for a text.
type awaited struct {
	pattern *regexp.Regexp
	found   chan []string // its first match; of length 1

	mu  sync.Mutex
	all bytes.Buffer
}

func (a *awaited) Write(text []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.Write(text)
	if m := a.pattern.FindStringSubmatch(a.all.String()); m != nil {
		select {
		case a.found <- m:
		default:
		}
	}
	return len(text), nil
}

func (a *awaited) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all.String()
}
