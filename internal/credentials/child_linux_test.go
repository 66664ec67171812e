package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// patience is for the child of a test; none of what is tested takes this long.
const patience = 20 * time.Second

// step is one call of a Store in the child, and what came of it.
type step struct {
	Op    string // "get", "put", "delete", or "library-get": go-keyring without our guard
	Local string // the local data directory, if any

	OK          bool
	Same        bool // get: the token is the child's
	Places      []Source
	Reason      string
	Hint        string
	None        bool
	Unavailable bool
	Leak        bool
}

// order is what the child is to do; it comes back with the steps filled in.
type order struct {
	Token   string
	Timeout time.Duration
	Steps   []step
	Took    time.Duration // all steps together
}

const orderVariable = "KEYFOB_TEST_ORDER"

// run lets a child process carry out the order: go-keyring knows one bus a process, the one in its environment.
func run(t *testing.T, env []string, o order) order {
	t.Helper()
	path := filepath.Join(t.TempDir(), "order")
	if o.Timeout == 0 {
		o.Timeout = patience / 2 // the 3 s are for people; a loaded machine may take longer
	}
	data, err := json.Marshal(o)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	cmd.Env = append([]string{orderVariable + "=" + path, "GORACE=atexit_sleep_ms=0"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), o.Token) {
		t.Error("the child's output holds the token")
	}
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	data, err = os.ReadFile(path)
	must(t, err)
	o.Steps = nil
	must(t, json.Unmarshal(data, &o))
	if o.Took == 0 {
		t.Fatal("the child did nothing")
	}
	return o
}

// TestChild is no test of its own: run starts it in another process.
func TestChild(t *testing.T) { //nolint:paralleltest // it is alone in its process
	path := os.Getenv(orderVariable)
	if path == "" {
		t.Skip("runs only as the child of another test")
	}
	data, err := os.ReadFile(path)
	must(t, err)
	var o order
	must(t, json.Unmarshal(data, &o))
	token, err := secret.Parse(secret.Session, o.Token)
	must(t, err)
	s, begin := New(Config{Env: os.Getenv, Timeout: o.Timeout}), time.Now()
	for i := range o.Steps {
		o.Steps[i].do(t.Context(), s, token)
	}
	o.Took = time.Since(begin)
	data, err = json.Marshal(o)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o600))
}

func (st *step) do(ctx context.Context, s *Store, token secret.Secret) {
	ref := Ref{Origin: origin, Context: "work", LocalDir: st.Local}
	var at Source
	var err error
	switch st.Op {
	case "get":
		var got secret.Secret
		got, at, err = s.Get(ctx, ref)
		st.Same, st.Places = got == token, []Source{at}
	case "put":
		at, err = s.Put(ctx, ref, token)
		st.Places = []Source{at}
	case "delete":
		st.Places, err = s.Delete(ctx, ref)
	case "library-get":
		_, err = osKeyring{}.Get("keyfob:"+ref.Origin, ref.Context) //nolint:contextcheck // a Keyring knows no context
	}
	st.OK, st.None, st.Unavailable = err == nil, errors.Is(err, ErrNone), errors.Is(err, ErrUnavailable)
	if err == nil {
		return
	}
	st.Reason = err.Error()
	if e, ok := errors.AsType[*Error](err); ok {
		st.Hint = e.Hint
	}
	st.Leak = strings.Contains(fmt.Sprintf("%v %+v %#v %s", err, err, err, st.Hint), token.Reveal()[4:])
}

// expect asserts one step; reason "" means that it went well.
func (st *step) expect(t *testing.T, reason, hint string, unavailable bool) {
	t.Helper()
	if st.OK != (reason == "") || !strings.Contains(st.Reason, reason) || !strings.Contains(st.Hint, hint) {
		t.Errorf("%s: ok %v, reason %q, hint %q; want %q, %q", st.Op, st.OK, st.Reason, st.Hint, reason, hint)
	}
	if st.Unavailable != unavailable {
		t.Errorf("%s: ErrUnavailable = %v, want %v (%s)", st.Op, st.Unavailable, unavailable, st.Reason)
	}
	if st.Leak {
		t.Errorf("%s: an error holds the token", st.Op)
	}
	if !st.OK && st.Hint == "" {
		t.Errorf("%s: no hint", st.Op)
	}
}

func newToken() string { return secret.New(secret.Session).Reveal() }
