package testbus

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	secretsName = "org.freedesktop.secrets"
	patience    = 20 * time.Second // for what a test starts; none of what is tested takes this long
)

// Needs skips the test where a program is missing; in CI it has to be there.
func Needs(t *testing.T, programs ...string) {
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

// Start runs a program in a process group of its own, which ends with stop, with the test or with the test's process.
func Start(t *testing.T, cmd *exec.Cmd) (stop func()) {
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

// Bus is a private session bus with a home of its own. No service starts on it by itself.
type Bus struct {
	Home    string
	Address string
	conn    *dbus.Conn
}

// New starts a bus, which ends with the test.
func New(t *testing.T) *Bus {
	t.Helper()
	Needs(t, "dbus-daemon")
	b := &Bus{Home: t.TempDir()}
	b.Address = "unix:path=" + filepath.Join(b.Home, "bus")
	config := filepath.Join(b.Home, "bus.conf")
	must(t, os.WriteFile(config, []byte(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>`+b.Address+`</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o600))

	cmd := exec.CommandContext(t.Context(), "dbus-daemon", "--nofork", "--nopidfile", "--print-address", "--config-file="+config)
	cmd.Env = b.Env()
	ready, err := cmd.StdoutPipe()
	must(t, err)
	Start(t, cmd)
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon did not start: %v", err)
	}
	b.conn, err = dbus.Connect(b.Address, dbus.WithContext(context.WithoutCancel(t.Context())))
	must(t, err)
	t.Cleanup(func() { _ = b.conn.Close() })
	return b
}

// Env is the environment of a program on the bus.
func (b *Bus) Env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.Home, "XDG_RUNTIME_DIR=" + b.Home, "XDG_DATA_HOME=" + b.Home,
		"DBUS_SESSION_BUS_ADDRESS=" + b.Address,
	}
}

// GnomeKeyring starts the real daemon on the bus; it leaves again when stop is called or the test ends. With "--unlock" it
// makes, or opens, a keyring whose password is "pw".
func (b *Bus) GnomeKeyring(t *testing.T, args ...string) (stop func()) {
	t.Helper()
	Needs(t, "gnome-keyring-daemon")
	cmd := exec.CommandContext(t.Context(), "gnome-keyring-daemon", append([]string{"--foreground", "--components=secrets"}, args...)...)
	cmd.Env = b.Env()
	cmd.Stdin = strings.NewReader("pw")
	kill := Start(t, cmd)
	b.waitForSecrets(t, true)
	return func() {
		kill()
		b.waitForSecrets(t, false)
	}
}

// waitForSecrets returns once a Secret Service is on the bus, or is no more.
func (b *Bus) waitForSecrets(t *testing.T, want bool) {
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
