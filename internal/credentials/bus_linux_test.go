package credentials

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	secretsName = "org.freedesktop.secrets"
	patience    = 20 * time.Second // for the helpers of a test; none of what is tested takes this long
)

// needs skips the test where a program is missing; in CI it has to be there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is needed in CI: %v", p, err)
			}
			t.Skipf("%s is not installed: %v", p, err)
		}
	}
}

// start runs a program in a process group of its own, which ends with stop, with the test or with the test's process.
func start(t *testing.T, cmd *exec.Cmd) (stop func()) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", cmd.Path, stderr.String())
		}
	})
	t.Cleanup(stop)
	return stop
}

// bus is a private session bus with a home of its own. No service starts on it by itself.
type bus struct {
	home    string
	address string
	conn    *dbus.Conn
}

func newBus(t *testing.T) *bus {
	t.Helper()
	needs(t, "dbus-daemon")
	b := &bus{home: t.TempDir()}
	b.address = "unix:path=" + filepath.Join(b.home, "bus")
	config := filepath.Join(b.home, "bus.conf")
	must(t, os.WriteFile(config, []byte(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>`+b.address+`</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o600))

	cmd := exec.CommandContext(t.Context(), "dbus-daemon", "--nofork", "--nopidfile", "--print-address", "--config-file="+config)
	cmd.Env = b.env()
	ready, err := cmd.StdoutPipe()
	must(t, err)
	start(t, cmd)
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon did not start: %v", err)
	}
	b.conn, err = dbus.Connect(b.address, dbus.WithContext(context.WithoutCancel(t.Context())))
	must(t, err)
	t.Cleanup(func() { _ = b.conn.Close() })
	return b
}

func (b *bus) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.home, "XDG_RUNTIME_DIR=" + b.home, "XDG_DATA_HOME=" + b.home,
		"DBUS_SESSION_BUS_ADDRESS=" + b.address,
	}
}

// waitForSecrets returns once a Secret Service is on the bus, or is no more.
func (b *bus) waitForSecrets(t *testing.T, want bool) {
	t.Helper()
	owned := make(chan *dbus.Signal, 8)
	b.conn.Signal(owned)
	defer b.conn.RemoveSignal(owned)
	must(t, b.conn.AddMatchSignal(dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, secretsName)))
	var has bool
	must(t, b.conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, secretsName).Store(&has))
	if has == want {
		return
	}
	late := time.After(patience)
	for {
		select {
		case s := <-owned:
			if s.Name == "org.freedesktop.DBus.NameOwnerChanged" && (s.Body[2] != "") == want {
				return
			}
		case <-late:
			t.Fatalf("waited in vain for a Secret Service: %v", want)
		}
	}
}

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
		_, err = osKeyring{}.Get("keyfob:"+ref.Origin, ref.Context)
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
