package credentials

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
	"github.com/keyfob/keyfob/test/credentials/testbus"
)

// promised is how long any command may take, whatever the keyring does.
const promised = 4 * time.Second

// mode is a state of the keyring.
type mode struct {
	name string
	// breaks has an r where reading fails, a w where writing fails, a d where removing fails and a u where reading fails with
	// nobody there to answer a prompt.
	breaks string
	// env starts what the mode needs and returns the environment; item is what the keyring holds.
	env func(t *testing.T, item string) []string
}

// fake is a mode of a Secret Service with a fault.
func fake(name, breaks string, f func() *testbus.Service) mode {
	return mode{name, breaks, func(t *testing.T, item string) []string {
		t.Helper()
		s := f()
		if item != "" {
			s.Holding(item)
		}
		return serving(t, s)
	}}
}

// odd is a mode of a keyring that holds what change makes of the item.
func odd(name, breaks string, change func(item string) string) mode {
	return mode{name, breaks, func(t *testing.T, item string) []string {
		t.Helper()
		return serving(t, new(testbus.Service).Holding(change(item)))
	}}
}

func serving(t *testing.T, s *testbus.Service) []string {
	t.Helper()
	b := testbus.New(t)
	s.Serve(t, b)
	return []string{"DBUS_SESSION_BUS_ADDRESS=" + b.Address}
}

func modes() []mode {
	type svc = testbus.Service
	replaced := func(old, with string) func(string) string {
		return func(item string) string { return strings.Replace(item, old, with, 1) }
	}
	return []mode{
		{"no bus", "rwd", func(*testing.T, string) []string { return nil }},
		{"bus leads nowhere", "rwd", func(*testing.T, string) []string {
			return []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus"}
		}},
		{"bus without service", "rwd", func(t *testing.T, _ string) []string {
			t.Helper()
			return []string{"DBUS_SESSION_BUS_ADDRESS=" + testbus.New(t).Address}
		}},
		{"bus that says nothing", "rwd", func(t *testing.T, _ string) []string {
			t.Helper()
			env, _ := silentBus(t)
			return env
		}},
		{"gnome-keyring locked", "rwd", func(t *testing.T, _ string) []string {
			t.Helper()
			b := testbus.New(t)
			b.GnomeKeyring(t)
			return []string{"DBUS_SESSION_BUS_ADDRESS=" + b.Address}
		}},

		fake("works", "", func() *svc { return &svc{} }),
		fake("works slowly", "", func() *svc { return &svc{Slow: 20 * time.Millisecond} }),
		fake("too slow", "rwd", func() *svc { return &svc{Slow: 700 * time.Millisecond} }),
		fake("locked without prompt", "rwd", func() *svc { return &svc{Locked: true} }),
		fake("call never returns", "rwd", func() *svc { return &svc{Hang: "SearchItems"} }),
		fake("session never opens", "rwd", func() *svc { return &svc{Hang: "OpenSession"} }),
		fake("unlock call never returns", "rwd", func() *svc { return &svc{Hang: "Unlock"} }),
		fake("collections never told", "rwd", func() *svc { return &svc{Hang: "Get"} }),
		fake("secret never handed over", "rwd", func() *svc { return &svc{Hang: "GetSecret"} }),
		fake("write never returns", "w", func() *svc { return &svc{Hang: "CreateItem"} }),
		fake("removal never returns", "d", func() *svc { return &svc{Hang: "Delete"} }),
		fake("unlock prompt accepted", "u", func() *svc { return &svc{Ask: "Unlock", Prompt: "accept"} }),
		fake("unlock prompt never answered", "rwd", func() *svc { return &svc{Ask: "Unlock", Prompt: "never"} }),
		fake("unlock prompt dismissed", "rwd", func() *svc { return &svc{Ask: "Unlock", Prompt: "dismiss"} }),
		fake("unlock prompt with empty body", "rwd", func() *svc { return &svc{Ask: "Unlock", Prompt: "empty"} }),
		fake("unlock prompt with odd body", "rwd", func() *svc { return &svc{Ask: "Unlock", Prompt: "odd"} }),
		fake("unrelated signal first", "rwd", func() *svc { return &svc{Ask: "Unlock", Prompt: "unrelated"} }),
		fake("service goes away", "rwd", func() *svc { return &svc{Ask: "Unlock", Prompt: "vanish"} }),
		fake("write prompt never answered", "w", func() *svc { return &svc{Ask: "CreateItem", Prompt: "never"} }),
		fake("write prompt dismissed", "w", func() *svc { return &svc{Ask: "CreateItem", Prompt: "dismiss"} }),
		fake("write prompt with empty body", "w", func() *svc { return &svc{Ask: "CreateItem", Prompt: "empty"} }),
		fake("write prompt with odd body", "w", func() *svc { return &svc{Ask: "CreateItem", Prompt: "odd"} }),
		fake("unrelated signal before a write", "w", func() *svc { return &svc{Ask: "CreateItem", Prompt: "unrelated"} }),
		fake("write prompt accepted", "", func() *svc { return &svc{Ask: "CreateItem", Prompt: "accept"} }),
		fake("service goes away in a write", "w", func() *svc { return &svc{Ask: "CreateItem", Prompt: "vanish"} }),
		fake("removal never answered", "d", func() *svc { return &svc{Ask: "Delete", Prompt: "never"} }),
		fake("removal prompt with empty body", "d", func() *svc { return &svc{Ask: "Delete", Prompt: "empty"} }),
		fake("removal prompt with odd body", "d", func() *svc { return &svc{Ask: "Delete", Prompt: "odd"} }),
		fake("removal accepted", "", func() *svc { return &svc{Ask: "Delete", Prompt: "accept"} }),
		fake("removal dismissed", "d", func() *svc { return &svc{Ask: "Delete", Prompt: "dismiss"} }),
		fake("item that is a string", "rwd", func() *svc { return &svc{Shape: "string"} }),
		fake("item that has no path", "rwd", func() *svc { return &svc{Shape: "texts"} }),
		fake("item that is gone", "rwd", func() *svc { return &svc{Shape: "gone"} }),
		fake("odd collections", "rwd", func() *svc { return &svc{Collections: "none"} }),
		fake("lying read", "rwd", func() *svc { return &svc{Lie: `{"v":1,"origin":"https://evil.example.com","token":"x"}`} }),

		odd("2561 bytes", "", func(item string) string { return item + strings.Repeat(" ", 2561-len(item)) }),
		odd("3100 bytes", "", func(item string) string { return item + strings.Repeat(" ", 3100-len(item)) }),
		odd("a newline", "rd", replaced("kfs_", "kfs_\n")),
		odd("a NUL", "rd", replaced("kfs_", "kfs_\x00")),
		odd("no ASCII", "rd", replaced("kfs_", "kfs_é")),
		odd("for another service", "rd", replaced("http://", "https://")),
	}
}

// command is one of those that need the session.
type command struct {
	args  []string
	needs string // of mode.breaks
	login bool   // stores the token that it gets on stdin
}

func commands(url string) []command {
	return []command{
		{[]string{"auth", "status"}, "r", false},
		{[]string{"keys", "list"}, "r", false},
		{[]string{"mcp", "headers", "--key", keyID}, "ru", false},
		{[]string{"auth", "logout"}, "rd", false},
		{[]string{"auth", "login", "--with-token", "--url", url}, "w", true},
	}
}

// TestBrokenKeyring: every command ends within the promised time with exit 0 or 4, an error of one line and a hint of one,
// and leaves nothing secret on disk.
func TestBrokenKeyring(t *testing.T) {
	t.Parallel()
	url := service(t)
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			cases := commands(url)
			tries := make([]*attempt, len(cases))
			for i, c := range cases {
				tries[i] = prepare(t, m, c, url)
			}
			var wg sync.WaitGroup
			for _, a := range tries {
				wg.Go(func() { a.run(t) })
			}
			wg.Wait()
			for i, a := range tries {
				for again := 0; a.got.took > promised && again < 3; again++ { // was it the machine?
					t.Logf("%v took %s", a.args, a.got.took)
					a = prepare(t, m, cases[i], url)
					a.run(t)
				}
				a.check(t, m)
			}
		})
	}
}

// attempt is one run of a command on a keyring of its own.
type attempt struct {
	command
	home  string
	env   []string
	token string
	stdin string
	got   outcome
}

func prepare(t *testing.T, m mode, c command, url string) *attempt {
	t.Helper()
	token := secret.New(secret.Session).Reveal()
	held := token
	if c.login {
		held = secret.New(secret.Session).Reveal() // an earlier session
	}
	a := &attempt{command: c, home: t.TempDir(), token: token}
	if c.login {
		a.stdin = token + "\n"
	}
	a.env = append(m.env(t, `{"v":1,"origin":"`+url+`","token":"`+held+`"}`), "KEYFOB_URL="+url)
	return a
}

func (a *attempt) run(t *testing.T) {
	t.Helper()
	a.got = keyfob(t.Context(), a.home, a.env, a.stdin, a.args...)
}

func (a *attempt) check(t *testing.T, m mode) {
	t.Helper()
	name, got := strings.Join(a.args, " "), a.got
	if got.err != nil {
		t.Errorf("%s: %v", name, got.err)
	}
	if got.took > promised {
		t.Errorf("%s took %s", name, got.took)
	}
	want := 0
	if strings.ContainsAny(m.breaks, a.needs) {
		want = 4
	}
	if got.exit != want {
		t.Errorf("%s: exit %d, want %d\n%s%s", name, got.exit, want, got.stdout, got.stderr)
	}
	errorLines, hints := 0, 0
	for line := range strings.Lines(got.stderr) {
		switch {
		case strings.HasPrefix(line, "error: "):
			errorLines++
		case strings.HasPrefix(line, "hint: "):
			hints++
		}
	}
	if failed := got.exit / 4; errorLines != failed || hints != failed || failed > 0 && got.stdout != "" {
		t.Errorf("%s: not one error and one hint\nstdout: %s\nstderr: %s", name, got.stdout, got.stderr)
	}
	if all := got.stdout + got.stderr; strings.Contains(all, "panic") || strings.Contains(all, "goroutine") || strings.Contains(all, a.token[4:]) {
		t.Errorf("%s: it panicked, or showed the token:\n%s", name, strings.ReplaceAll(all, a.token, "(the token)"))
	}
	if found := onDisk(t, a.home, a.token[4:]); len(found) > 0 {
		t.Errorf("%s: the token is in %v", name, found)
	}
}

// silentBus is an address where nobody ever says a word, and a count of those who came.
func silentBus(t *testing.T) (env []string, visitors *atomic.Int32) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	visitors = &atomic.Int32{}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			visitors.Add(1)
			conns.Go(func() { // until the other side gives up
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	return []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + path}, visitors
}

// TestKeyringIsNotTouched: what needs no session does not come near the bus, so that nothing there can slow it.
func TestKeyringIsNotTouched(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--version"},
		{"--help"},
		{"version"},
		{"auth", "login", "--help"},
		{"help", "environment"},
		{"completion", "bash"},
		{"__complete", ""},
		{"__complete", "auth", ""},
		{"__complete", "auth", "login", "--"},
		{"__complete", "keys", "l"},
		{"config", "list"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			env, visitors := silentBus(t)
			env = append(env, "KEYFOB_URL=http://127.0.0.1:9")
			got := keyfob(t.Context(), t.TempDir(), env, "", args...)
			if got.err != nil || got.exit != 0 || got.stdout == "" {
				t.Errorf("exit %d, %v\n%s", got.exit, got.err, got.stderr)
			}
			if n := visitors.Load(); n != 0 {
				t.Errorf("the bus was asked %d times", n)
			}
		})
	}
	t.Run("token in the environment", func(t *testing.T) {
		t.Parallel()
		env, visitors := silentBus(t)
		env = append(env, "KEYFOB_URL="+service(t), "KEYFOB_TOKEN="+secret.New(secret.Session).Reveal())
		home := t.TempDir()
		for _, args := range [][]string{{"auth", "status"}, {"keys", "list"}, {"auth", "token"}} {
			if got := keyfob(t.Context(), home, env, "", args...); got.err != nil || got.exit != 0 {
				t.Errorf("%v: exit %d, %v\n%s", args, got.exit, got.err, got.stderr)
			}
		}
		if n := visitors.Load(); n != 0 {
			t.Errorf("the bus was asked %d times", n)
		}
		if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
			t.Errorf("it wrote %v (%v)", entries, err)
		}
	})
}
