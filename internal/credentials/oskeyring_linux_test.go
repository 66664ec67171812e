package credentials

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
	"github.com/keyfob/keyfob/test/credentials/testbus"
)

func TestGnomeKeyring(t *testing.T) {
	t.Parallel()
	b := testbus.New(t)
	stop := b.GnomeKeyring(t, "--unlock")
	where := Source{KindKeyring, "keyfob:" + origin}
	token := newToken()

	o := run(t, b.Env(), order{Token: newToken(), Steps: []step{{Op: "get"}, {Op: "put"}, {Op: "get"}, {Op: "delete"}, {Op: "delete"}, {Op: "get"}}})
	o.Steps[0].expect(t, "not signed in", "keyfob auth login", false)
	for _, st := range o.Steps[1:4] {
		st.expect(t, "", "", false)
		if len(st.Places) != 1 || st.Places[0] != where {
			t.Errorf("%s: places = %v, want %v", st.Op, st.Places, where)
		}
	}
	if !o.Steps[2].Same {
		t.Error("get returned another token")
	}
	o.Steps[4].expect(t, "", "", false)
	if len(o.Steps[4].Places) != 0 {
		t.Errorf("second delete: places = %v, want none", o.Steps[4].Places)
	}
	o.Steps[5].expect(t, "not signed in", "keyfob auth login", false)
	if !o.Steps[0].None || !o.Steps[5].None {
		t.Error("nothing stored is not ErrNone")
	}

	// Across processes, and a new token over the old one.
	run(t, b.Env(), order{Token: newToken(), Steps: []step{{Op: "put"}}}).Steps[0].expect(t, "", "", false)
	run(t, b.Env(), order{Token: token, Steps: []step{{Op: "put"}}}).Steps[0].expect(t, "", "", false)
	got := run(t, b.Env(), order{Token: token, Steps: []step{{Op: "get"}}}).Steps[0]
	got.expect(t, "", "", false)
	if !got.Same {
		t.Error("another process got another token")
	}

	// The same keyring, locked: there is no prompter on this bus to unlock it.
	stop()
	b.GnomeKeyring(t)
	wantLocked(t, run(t, b.Env(), order{Token: token, Steps: []step{{Op: "get"}, {Op: "put"}, {Op: "delete"}}}))
}

// A machine where nobody ever made a keyring.
func TestGnomeKeyringNeverUnlocked(t *testing.T) {
	t.Parallel()
	b := testbus.New(t)
	b.GnomeKeyring(t)
	o := run(t, b.Env(), order{Token: newToken(), Steps: []step{{Op: "put"}, {Op: "get"}}})
	wantLocked(t, o)
}

func wantLocked(t *testing.T, o order) {
	t.Helper()
	for _, st := range o.Steps {
		st.expect(t, "the OS keyring is locked", "unlock the keyring and try again, or set KEYFOB_TOKEN", true)
	}
	if o.Took >= o.Timeout {
		t.Errorf("it took %s: it waited for somebody to unlock it", o.Took)
	}
}

func TestFakeSecretService(t *testing.T) {
	t.Parallel()
	const (
		slow, odd = "the OS keyring did not answer within 300ms", "something unreadable"
		locked    = "the OS keyring is locked"
		foreign   = "it holds no session that keyfob wrote"
	)
	mine, old := secret.New(secret.Session), secret.New(secret.Session)
	holding := func(token secret.Secret, f *testbus.Service) *testbus.Service {
		return f.Holding(mustEncode(t, origin, token))
	}
	stored := func(f *testbus.Service) *testbus.Service { return holding(mine, f) }
	whole := mustEncode(t, origin, mine)
	padded := func(size int) string { return whole + strings.Repeat(" ", size-len(whole)) }
	within := func(extra string) string { return strings.Replace(whole, "kfs_", "kfs_"+extra, 1) }
	for _, tc := range []struct {
		name         string
		fake         *testbus.Service
		op           string
		reason, hint string
		unavailable  bool
	}{
		{"works", &testbus.Service{}, "put", "", "", false},
		{"works after a prompt", &testbus.Service{Ask: "CreateItem", Prompt: "accept"}, "put", "", "", false},
		{"unlocks after a prompt", stored(&testbus.Service{Ask: "Unlock", Prompt: "accept"}), "get", "", "", false},
		{"deletes after a prompt", stored(&testbus.Service{Ask: "Delete", Prompt: "accept"}), "delete", "", "", false},
		{"takes its time", stored(&testbus.Service{Slow: 20 * time.Millisecond}), "get", "", "", false},

		{"OpenSession hangs", &testbus.Service{Hang: "OpenSession"}, "put", slow, "KEYFOB_TOKEN", true},
		{"Unlock hangs", stored(&testbus.Service{Hang: "Unlock"}), "get", slow, "KEYFOB_TOKEN", true},
		{"SearchItems hangs", stored(&testbus.Service{Hang: "SearchItems"}), "delete", slow, "KEYFOB_TOKEN", true},
		{"GetSecret hangs after a put", &testbus.Service{Hang: "GetSecret"}, "put", "may not be stored", "KEYFOB_TOKEN", true},
		{"Get of a property hangs", &testbus.Service{Hang: "Get"}, "put", slow, "KEYFOB_TOKEN", true},
		{"every call takes too long", stored(&testbus.Service{Slow: 100 * time.Millisecond}), "get", slow, "KEYFOB_TOKEN", true},
		{"put prompt never ends", &testbus.Service{Ask: "CreateItem", Prompt: "never"}, "put", slow, "answer its prompt", true},
		{"unlock prompt never ends", stored(&testbus.Service{Ask: "Unlock", Prompt: "never"}), "get", slow, "answer its prompt", true},
		{"delete prompt never ends", stored(&testbus.Service{Ask: "Delete", Prompt: "never"}), "delete", slow, "answer its prompt", true},
		{"service goes away", &testbus.Service{Ask: "CreateItem", Prompt: "vanish"}, "put", "the OS keyring failed", "KEYFOB_TOKEN", true},

		{"locked for get", stored(&testbus.Service{Locked: true}), "get", locked, "unlock the keyring", true},
		{"locked for put", &testbus.Service{Locked: true}, "put", locked, "unlock the keyring", true},
		{"locked for delete", stored(&testbus.Service{Locked: true}), "delete", locked, "unlock the keyring", true},
		{"put dismissed", &testbus.Service{Ask: "CreateItem", Prompt: "dismiss"}, "put", "was not stored", "confirm its prompt", false},
		{"put over another dismissed", holding(old, &testbus.Service{Ask: "CreateItem", Prompt: "dismiss"}), "put", "holds another value", "or set KEYFOB_TOKEN", false},
		{"unlock dismissed", stored(&testbus.Service{Ask: "Unlock", Prompt: "dismiss"}), "get", locked, "KEYFOB_TOKEN", true},
		{"delete dismissed", stored(&testbus.Service{Ask: "Delete", Prompt: "dismiss"}), "delete", "was not removed", "confirm the keyring's prompt", false},

		{"put prompt with empty body", &testbus.Service{Ask: "CreateItem", Prompt: "empty"}, "put", odd, "KEYFOB_TOKEN", true},
		{"unlock prompt with empty body", stored(&testbus.Service{Ask: "Unlock", Prompt: "empty"}), "get", odd, "KEYFOB_TOKEN", true},
		{"delete prompt with empty body", stored(&testbus.Service{Ask: "Delete", Prompt: "empty"}), "delete", odd, "KEYFOB_TOKEN", true},
		{"put prompt with odd body", &testbus.Service{Ask: "CreateItem", Prompt: "odd"}, "put", odd, "KEYFOB_TOKEN", true},
		{"odd collections", &testbus.Service{Collections: "none"}, "put", odd, "KEYFOB_TOKEN", true},
		{"unrelated signal", &testbus.Service{Ask: "CreateItem", Prompt: "unrelated"}, "put", "was not stored", "confirm its prompt", false},

		{"lies after a put", &testbus.Service{Lie: mustEncode(t, origin, secret.New(secret.Session))}, "put", "holds another value", "KEYFOB_TOKEN", false},
		{"lies with another origin", stored(&testbus.Service{Lie: mustEncode(t, "https://evil.example.com", mine)}), "get", "its session is for another service", "keyfob auth login", false},
		{"lies with junk", stored(&testbus.Service{Lie: mine.Reveal()}), "get", foreign, "keyfob auth login", false},
		{"lies at length", stored(&testbus.Service{Lie: strings.Repeat("kfs_", 1<<14)}), "get", foreign, "keyfob auth login", false},

		{"an item that is a string", stored(&testbus.Service{Shape: "string"}), "get", "the OS keyring failed", "KEYFOB_TOKEN", true},
		{"an item that has no path", stored(&testbus.Service{Shape: "texts"}), "get", "the OS keyring failed", "KEYFOB_TOKEN", true},
		{"an item that is gone", stored(&testbus.Service{Shape: "gone"}), "get", "the OS keyring failed", "KEYFOB_TOKEN", true},
		{"2561 bytes", (&testbus.Service{}).Holding(padded(2561)), "get", "", "", false},
		{"3100 bytes", (&testbus.Service{}).Holding(padded(3100)), "get", "", "", false},
		{"4097 bytes", (&testbus.Service{}).Holding(padded(4097)), "get", foreign, "keyfob auth login", false},
		{"a newline", (&testbus.Service{}).Holding(whole + "\n"), "get", "", "", false},
		{"a newline within", (&testbus.Service{}).Holding(within("\n")), "get", foreign, "keyfob auth login", false},
		{"an escaped newline", (&testbus.Service{}).Holding(within(`\n`)), "get", foreign, "keyfob auth login", false},
		{"a NUL", (&testbus.Service{}).Holding(whole + "\x00"), "get", foreign, "keyfob auth login", false},
		{"an escaped NUL", (&testbus.Service{}).Holding(within(`\u0000`)), "get", foreign, "keyfob auth login", false},
		{"no ASCII", (&testbus.Service{}).Holding(within("ä")), "get", foreign, "keyfob auth login", false},
		{"no UTF-8", (&testbus.Service{}).Holding(within("\xff")), "get", foreign, "keyfob auth login", false},
		{"nothing in it", (&testbus.Service{}).Holding(""), "get", foreign, "keyfob auth login", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := testbus.New(t)
			tc.fake.Serve(t, b)
			timeout := patience / 2
			if tc.reason == slow || tc.fake.Hang != "" || tc.fake.Prompt == "never" {
				timeout = 300 * time.Millisecond
			}
			o := run(t, b.Env(), order{Token: mine.Reveal(), Timeout: timeout, Steps: []step{{Op: tc.op}}})
			o.Steps[0].expect(t, tc.reason, tc.hint, tc.unavailable)
			if o.Took > timeout+patience/4 {
				t.Errorf("it took %s, with %s allowed", o.Took, timeout)
			}
			for _, attributes := range tc.fake.Asked() {
				if len(attributes) != 2 || attributes["service"] != "keyfob:"+origin || attributes["username"] != "work" {
					t.Errorf("it asked for %v", attributes)
				}
			}
			if tc.reason == "" && tc.op == "get" && !o.Steps[0].Same {
				t.Error("get returned another token")
			}
			if tc.reason == "" && tc.op == "delete" && len(o.Steps[0].Places) != 1 {
				t.Errorf("places = %v, want one", o.Steps[0].Places)
			}
		})
	}
}

func TestBusWithoutKeyring(t *testing.T) {
	t.Parallel()
	b := testbus.New(t)
	o := run(t, b.Env(), order{Token: newToken(), Steps: []step{{Op: "get"}, {Op: "put"}, {Op: "delete"}}})
	for _, st := range o.Steps {
		st.expect(t, "no keyring runs in this session", "KEYFOB_TOKEN", true)
	}
}

func TestBusAddressLeadsNowhere(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for address, reason := range map[string]string{
		"unix:path=" + filepath.Join(home, "gone"): "the D-Bus session bus does not answer",
		"nonsense":           "the OS keyring failed: dbus: invalid bus address",
		"autolaunch:scope=x": "the OS keyring failed: dbus: invalid bus address",
	} {
		env := []string{"PATH=/nonexistent", "HOME=" + home, "XDG_RUNTIME_DIR=" + home, "DBUS_SESSION_BUS_ADDRESS=" + address}
		o := run(t, env, order{Token: newToken(), Steps: []step{{Op: "get"}}})
		o.Steps[0].expect(t, reason, "KEYFOB_TOKEN", true)
	}
}

// TestNoBus: without a bus nothing is called, above all not dbus-launch.
func TestNoBus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		address string // of DBUS_SESSION_BUS_ADDRESS
		socket  bool   // $XDG_RUNTIME_DIR/bus is there, but not in /run/user, where godbus looks
		reason  string
		hint    string
	}{
		{"nothing", "", false, "there is no D-Bus session bus", "set KEYFOB_TOKEN"},
		{"autolaunch", "autolaunch:", false, "there is no D-Bus session bus", "set KEYFOB_TOKEN"},
		{"elsewhere", "", true, "DBUS_SESSION_BUS_ADDRESS is not set", "set DBUS_SESSION_BUS_ADDRESS=unix:path="},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			called := filepath.Join(dir, "called")
			script := fmt.Sprintf("#!/bin/sh\necho called >%s\nexit 1\n", called)
			must(t, os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte(script), 0o700))
			if tc.socket {
				l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(dir, "bus"))
				must(t, err)
				t.Cleanup(func() { _ = l.Close() })
			}
			env := []string{"PATH=" + dir, "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "DBUS_SESSION_BUS_ADDRESS=" + tc.address}
			o := run(t, env, order{Token: newToken(), Steps: []step{{Op: "get"}, {Op: "put"}, {Op: "delete"}}})
			o.Steps[0].expect(t, "not signed in: no OS keyring is in reach: "+tc.reason, tc.hint, true)
			o.Steps[1].expect(t, tc.reason, tc.hint, true)
			o.Steps[2].expect(t, "", "", false)
			if !o.Steps[0].None || o.Steps[1].None || len(o.Steps[2].Places) != 0 {
				t.Errorf("get None %v, put None %v, delete %v; want true, false, none", o.Steps[0].None, o.Steps[1].None, o.Steps[2].Places)
			}
			if _, err := os.Stat(called); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("dbus-launch was called (%v)", err)
			}

			// The trap is real: go-keyring without the guard calls it. Not where a real bus lies in godbus's way.
			if _, err := os.Stat(fmt.Sprintf("/run/user/%d", os.Getuid())); err == nil {
				return
			}
			run(t, env, order{Token: newToken(), Steps: []step{{Op: "library-get"}}})
			if _, err := os.Stat(called); err != nil {
				t.Errorf("go-keyring no longer calls dbus-launch: the guard may go (%v)", err)
			}
		})
	}
}

// TestLocalNeedsNoKeyring: a hung keyring does not reach the local context.
func TestLocalNeedsNoKeyring(t *testing.T) {
	t.Parallel()
	b := testbus.New(t)
	(&testbus.Service{Hang: "Get"}).Serve(t, b)
	dir := local(t).LocalDir
	o := run(t, b.Env(), order{Token: newToken(), Steps: []step{{Op: "put", Local: dir}, {Op: "get", Local: dir}, {Op: "delete", Local: dir}}})
	for _, st := range o.Steps {
		st.expect(t, "", "", false)
		if len(st.Places) != 1 || st.Places[0].Kind != KindFile {
			t.Errorf("%s: places = %v, want the file", st.Op, st.Places)
		}
	}
	if !o.Steps[1].Same || o.Took >= o.Timeout {
		t.Errorf("same %v in %s", o.Steps[1].Same, o.Took)
	}
}
