package credentials

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// fakeSecrets is a Secret Service that counts what would show a prompt.
type fakeSecrets struct {
	unlocked, locked []dbus.ObjectPath
	isLocked         any
	prompts          atomic.Int32
}

func (f *fakeSecrets) SearchItems(map[string]string) ([]dbus.ObjectPath, []dbus.ObjectPath, *dbus.Error) {
	return f.unlocked, f.locked, nil
}

func (f *fakeSecrets) Unlock([]dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	f.prompts.Add(1)
	return nil, "/", nil
}

func (f *fakeSecrets) Get(string, string) (dbus.Variant, *dbus.Error) {
	return dbus.MakeVariant(f.isLocked), nil
}

func TestUnlocked(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("dbus-daemon is not installed")
	}
	item := []dbus.ObjectPath{loginPath + "/1"}
	none := []dbus.ObjectPath{}
	for name, tc := range map[string]struct {
		secrets *fakeSecrets // nil: there is none
		want    bool
	}{
		"open":          {&fakeSecrets{unlocked: item, locked: none, isLocked: false}, true},
		"locked":        {&fakeSecrets{unlocked: none, locked: item, isLocked: true}, false},
		"item locked":   {&fakeSecrets{unlocked: none, locked: item, isLocked: false}, false},
		"login locked":  {&fakeSecrets{unlocked: item, locked: none, isLocked: true}, false},
		"nothing there": {&fakeSecrets{unlocked: none, locked: none, isLocked: false}, false},
		"no boolean":    {&fakeSecrets{unlocked: item, locked: none, isLocked: "no"}, false},
		"no keyring":    {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startBus(t)
			if tc.secrets != nil {
				tc.secrets.serve(t, address)
			}
			if got := Unlocked(t.Context(), bus(address), remote()); got != tc.want {
				t.Errorf("open: %v", got)
			}
			if tc.secrets != nil && tc.secrets.prompts.Load() > 0 {
				t.Error("it was asked to unlock")
			}
		})
	}
}

func TestHungBus(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bus")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if Unlocked(ctx, bus("unix:path="+path), remote()) || time.Since(start) > 10*time.Second {
		t.Errorf("open after %s", time.Since(start))
	}
}

func TestBusAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ address, dir, want string }{
		{"unix:path=/x", "/run/user/1", "unix:path=/x"},
		{"autolaunch:", "/run/user/1", "unix:path=/run/user/1/bus"},
		{"autolaunch:", "", ""},
		{"", "rel", ""},
	} {
		env := map[string]string{"DBUS_SESSION_BUS_ADDRESS": tc.address, "XDG_RUNTIME_DIR": tc.dir}
		if got := busAddress(func(name string) string { return env[name] }); got != tc.want {
			t.Errorf("%q and %q: %q, want %q", tc.address, tc.dir, got, tc.want)
		}
	}
}

func (f *fakeSecrets) serve(t *testing.T, address string) {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, e := range []struct {
		path  dbus.ObjectPath
		iface string
	}{{secretsPath, "org.freedesktop.Secret.Service"}, {loginPath, "org.freedesktop.DBus.Properties"}} {
		if err := conn.Export(f, e.path, e.iface); err != nil {
			t.Fatal(err)
		}
	}
	if reply, err := conn.RequestName(secretsName, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%v, %v", reply, err)
	}
}

// startBus runs a session bus that starts no services.
func startBus(t *testing.T) (address string) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "bus.conf")
	doc := `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir=` + dir + `</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(conf, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "dbus-daemon", "--config-file="+conf, "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func bus(address string) func(string) string {
	return func(name string) string {
		if name == "DBUS_SESSION_BUS_ADDRESS" {
			return address
		}
		return ""
	}
}
