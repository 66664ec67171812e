package core_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const noSessionDetail = "no valid session token was presented: it is missing, malformed, unknown, ended or expired"

func TestSessionLife(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.now().Truncate(time.Microsecond)
	f.equal("user", f.owner.User.Name, "Ada")
	f.equal("session", f.owner.Session, core.Session{
		ID: f.owner.Session.ID, Hint: f.token.Hint(), UserID: f.owner.User.ID, CreatedAt: start, LastUsedAt: start, ExpiresAt: start.Add(core.IdleLimit),
	})
	lastUse := func(after, want time.Duration) {
		f.Helper()
		f.clock.set(start.Add(after))
		p, err := f.svc.Authenticate(t.Context(), f.token.Reveal())
		f.must(err)
		f.equal("last use", p.Session.LastUsedAt, start.Add(want))
		f.equal("expiry", p.Session.ExpiresAt, start.Add(want).Add(core.IdleLimit))
	}
	lastUse(59*time.Second, 0)
	lastUse(60*time.Second, 60*time.Second)
	lastUse(61*time.Second, 60*time.Second)
	lastUse(30*time.Second, 60*time.Second) // the clock went back
	day := 24 * time.Hour
	lastUse(29*day, 29*day)
	lastUse(58*day, 58*day)
	f.clock.set(start.Add(88 * day))
	_, err := f.svc.Authenticate(t.Context(), f.token.Reveal())
	f.refused(err, api.CodeUnauthenticated, noSessionDetail)
}

func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	ended, p := f.signIn(f.owner.User)
	f.must(f.svc.EndSession(t.Context(), p))
	f.must(f.svc.EndSession(t.Context(), p))
	for name, token := range map[string]string{
		"empty": "", "a key": sec.Reveal(), "unknown": secret.New(secret.Session).Reveal(), "hint": f.token.Hint(),
		"ended": ended.Reveal(), "with a newline": f.token.Reveal() + "\n", "session id": f.owner.Session.ID,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.svc.Authenticate(t.Context(), token)
			wantRefusal(t, err, api.CodeUnauthenticated, "")
			if err.Error() != noSessionDetail {
				t.Errorf("detail %q", err.Error())
			}
		})
	}
	if _, err := f.svc.Authenticate(t.Context(), f.token.Reveal()); err != nil {
		t.Errorf("the other session ended too: %v", err)
	}
	_, _, err := f.svc.StartSession(t.Context(), "usr_none")
	f.refused(err, api.CodeNotFound, `there is no user "usr_none"`)
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	org, user, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Other", UserName: "Bo"})
	f.must(err)
	f.equal("the same org", org, f.org)
	f.equal("the same owner", user, f.owner.User)

	good := core.Bootstrap{OrgSlug: "beta-2", OrgName: "Beta", UserName: "Bo"}
	for text, spoil := range map[string]func(*core.Bootstrap){
		"slug \"\"":               func(b *core.Bootstrap) { b.OrgSlug = "" },
		"slug \"-a\"":             func(b *core.Bootstrap) { b.OrgSlug = "-a" },
		"slug \"Beta\"":           func(b *core.Bootstrap) { b.OrgSlug = "Beta" },
		"slug \"a_b\"":            func(b *core.Bootstrap) { b.OrgSlug = "a_b" },
		"slug \"bëta\"":           func(b *core.Bootstrap) { b.OrgSlug = "bëta" },
		"slug \"aaaaaaaaaaaaaaa":  func(b *core.Bootstrap) { b.OrgSlug = string(bytes.Repeat([]byte("a"), 64)) },
		"organisation's name":     func(b *core.Bootstrap) { b.OrgName = "" },
		"the user's name \"-rf\"": func(b *core.Bootstrap) { b.UserName = "-rf" },
	} {
		bad := good
		spoil(&bad)
		_, _, err := f.svc.Bootstrap(t.Context(), bad)
		f.refused(err, api.CodeInvalidRequest, text)
	}
	_, _, err = f.svc.Bootstrap(t.Context(), good)
	f.must(err)
}

// TestNoSecretInTheDatabase looks for secrets and tokens in the bytes of the files.
func TestNoSecretInTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "needle in the file"})
	_, _, err := f.svc.RevealKey(t.Context(), f.owner, "acme", "needle in the file")
	f.must(err)
	var all []byte
	for _, p := range []string{f.path, f.path + "-wal"} {
		b, err := os.ReadFile(p)
		f.must(err)
		all = append(all, b...)
	}
	if !bytes.Contains(all, []byte("needle in the file")) {
		t.Fatal("the test looks in the wrong place")
	}
	for _, s := range []string{sec.Reveal(), f.token.Reveal()} {
		if bytes.Contains(all, []byte(s)) || bytes.Contains(all, []byte(s[5:20])) {
			t.Error("the database holds a secret")
		}
	}
}
