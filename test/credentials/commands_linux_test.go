package credentials

import (
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

// sessionCommands are those that ask for the session, each with what it must find on stdin.
func sessionCommands(url string) []command {
	var all []command
	for _, line := range []string{
		"auth status", "auth status --all", "auth status --offline", "auth token",
		"auth token --for ci --permission keys:read --expires 1d",
		"auth logout", "auth logout --all", "auth logout --session ses_x",
		"auth login --no-browser --url " + url, "auth login --with-token --url " + url,
		"keys list", "keys create ci", "keys show ci", "keys rename ci cd", "keys disable ci", "keys enable ci", "keys reveal ci",
		"keys copy ci", "keys lookup", "keys delete ci --yes", "keys delete ci --dry-run",
		"events list", "mcp connect --client codex", "org list", "org use acme",
		"org members list", "org members add ada@example.com", "org members set-role ada@example.com admin",
		"org members remove ada@example.com --yes",
	} {
		all = append(all, command{strings.Fields(line), "r", strings.Contains(line, "--with-token")})
	}
	return all
}

// TestEveryCommandOnABadKeyring: no command waits longer, says more or leaves more than another.
func TestEveryCommandOnABadKeyring(t *testing.T) {
	t.Parallel()
	url := service(t)
	for _, m := range modes() {
		switch m.name {
		case "no bus", "bus that says nothing", "unlock prompt dismissed", "lying read":
		default:
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var running sync.WaitGroup
			tries := make([]*attempt, 0, len(sessionCommands(url)))
			for _, c := range sessionCommands(url) {
				if m.name == "lying read" && c.args[1] == "login" {
					continue // what lies there is no session: it may be replaced, and a device sign-in begins
				}
				a := prepare(t, m, c, url)
				a.env = append(a.env, "KEYFOB_ORG=acme")
				if c.args[1] == "lookup" {
					a.stdin = secret.New(secret.Key).Reveal()
				}
				tries = append(tries, a)
				running.Go(func() { a.run(t) })
			}
			running.Wait()
			for _, a := range tries {
				if a.got.took > promised { // was it the machine?
					t.Logf("%v took %s beside %d others", a.args, a.got.took, len(tries)-1)
					a.run(t)
				}
				a.check(t, m)
			}
		})
	}
}

// TestLogoutRevokesAllTheSame: a session that can't be removed from the keyring has ended on the service, and that is said.
func TestLogoutRevokesAllTheSame(t *testing.T) {
	t.Parallel()
	for _, m := range modes() {
		if m.breaks != "d" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var ended []string
			url := serviceWith(t, func(token string) {
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, token)
			})
			a := prepare(t, m, command{[]string{"auth", "logout"}, "rd", false}, url)
			a.run(t)
			a.check(t, m)
			if len(ended) != 1 || ended[0] != a.token {
				t.Errorf("%d sessions ended on the service", len(ended))
			}
			if want := "The session ended on the service, but it could not be removed from the OS keyring"; !strings.Contains(a.got.stderr, want) {
				t.Errorf("it does not say that: %s", a.got.stderr)
			}
		})
	}
}

// TestOnDiskFinds holds that the look for secrets on disk finds one.
func TestOnDiskFinds(t *testing.T) {
	t.Parallel()
	url, home, token := service(t), t.TempDir(), secret.New(secret.Session).Reveal()
	got := keyfob(t.Context(), home, nil, token+"\n", "auth", "login", "--with-token", "--insecure-storage", "--url", url)
	if found := onDisk(t, home, token[4:]); got.exit != 0 || len(found) != 1 {
		t.Errorf("exit %d, found %v: %s", got.exit, found, got.stderr)
	}
}
