package core_test

import (
	"bytes"
	"strings"
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
		ID: f.owner.Session.ID, Kind: api.SessionCLI, Name: "keyfob", Host: "laptop", Hint: f.token.Hint(), UserID: f.owner.User.ID,
		CreatedAt: start, LastUsedAt: start, ExpiresAt: start.Add(core.IdleLimit),
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
	_, err := f.svc.StartSession(t.Context(), "usr_none", api.SessionCLI, core.Client{})
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
	all := f.db.Content(t)
	if !bytes.Contains(all, []byte("needle in the file")) {
		t.Fatal("the test looks in the wrong place")
	}
	for _, s := range []string{sec.Reveal(), f.token.Reveal()} {
		if bytes.Contains(all, []byte(s)) || bytes.Contains(all, []byte(s[5:20])) {
			t.Error("the database holds a secret")
		}
	}
}

// sessions returns what sessions are called, which is enough to tell them apart here.
func (f *fixture) sessions(p core.Principal) (names []string) {
	f.Helper()
	all, err := f.svc.Sessions(f.Context(), p)
	f.must(err)
	for _, s := range all {
		names = append(names, string(s.Kind)+" "+s.Name)
	}
	return names
}

func (f *fixture) start(kind api.SessionKind, name string) (core.SignedIn, core.Principal) {
	f.Helper()
	in, err := f.svc.StartSession(f.Context(), f.owner.User.ID, kind, core.Client{Name: name})
	f.must(err)
	return in, f.as(in)
}

// as is who the session stands for.
func (f *fixture) as(in core.SignedIn) core.Principal {
	f.Helper()
	p, err := f.svc.Authenticate(f.Context(), in.Token.Reveal())
	f.must(err)
	return p
}

func (f *fixture) signedOut(in core.SignedIn) {
	f.Helper()
	_, err := f.svc.Authenticate(f.Context(), in.Token.Reveal())
	f.refused(err, api.CodeUnauthenticated, noSessionDetail)
}

func TestBrowserSessionEndsAnHourAfterItBegan(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.now().Truncate(time.Microsecond)
	in, p := f.start(api.SessionBrowser, "")
	f.equal("expiry", p.Session.ExpiresAt, start.Add(time.Hour))
	f.clock.set(start.Add(time.Hour - time.Microsecond))
	f.equal("used, and not longer for it", f.as(in).Session.ExpiresAt, start.Add(time.Hour))
	f.clock.set(start.Add(time.Hour))
	f.signedOut(in)
	f.equal("listed", f.sessions(f.owner), []string{"cli keyfob"})
	for _, kind := range []api.SessionKind{api.SessionToken, "", "CLI"} {
		_, err := f.svc.StartSession(t.Context(), f.owner.User.ID, kind, core.Client{})
		f.refused(err, api.CodeInvalidRequest, "not signed in with a session of the kind")
	}
}

func TestWhatAClientSaysOfItselfIsCleaned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	in, err := f.svc.StartSession(t.Context(), f.owner.User.ID, api.SessionCLI, core.Client{
		Name: "\x1b[31m  key\u202efob\xff\x00 ", Host: "-" + strings.Repeat("é\u0301", 100) + "\r\nX: y",
	})
	f.must(err)
	f.equal("name", in.Session.Name, "[31m  keyfob")
	f.equal("host", in.Session.Host, strings.Repeat("é\u0301", 32))
	for _, lost := range []string{"", " \t", "\u200b", "---", f.token.Reveal(), "kfs_\u200b" + f.token.Reveal()[4:]} {
		in, err := f.svc.StartSession(t.Context(), f.owner.User.ID, api.SessionCLI, core.Client{Name: lost, Host: lost})
		f.must(err)
		f.equal("nothing is left", in.Session.Name+in.Session.Host, "")
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	laptop, _ := f.start(api.SessionCLI, "laptop")
	tab, browser := f.start(api.SessionBrowser, "tab")
	ci := f.ownToken("ci", api.KeysRead)
	_, bo, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"})
	f.must(err)
	_, other := f.signIn(bo)
	f.equal("all", f.sessions(f.owner), []string{"cli keyfob", "cli laptop", "browser tab", "token ci"})
	f.equal("the other's", f.sessions(other), []string{"cli keyfob"})

	for _, id := range []string{"", "ses_none", other.Session.ID, f.token.Reveal(), "a\x00b"} {
		f.refused(f.svc.EndSessionByID(t.Context(), f.owner, id), api.CodeSessionNotFound, "you have no session")
	}
	f.must(f.svc.EndSessionByID(t.Context(), browser, laptop.Session.ID))
	f.signedOut(laptop)
	f.refused(f.svc.EndSessionByID(t.Context(), f.owner, laptop.Session.ID), api.CodeSessionNotFound, laptop.Session.ID)
	f.must(f.svc.EndSessionByID(t.Context(), f.owner, ci.Session.ID))
	f.signedOut(ci)
	again := f.ownToken("ci", api.KeysRead)
	f.equal("left", f.sessions(f.owner), []string{"cli keyfob", "browser tab", "token ci"})
	f.clock.move(time.Hour)
	f.equal("the browser's has expired", f.sessions(f.owner), []string{"cli keyfob", "token ci"})
	f.refused(f.svc.EndSessionByID(t.Context(), f.owner, tab.Session.ID), api.CodeSessionNotFound, tab.Session.ID)

	f.start(api.SessionCLI, "desktop")
	ended, tokens, err := f.svc.EndSessions(t.Context(), f.owner)
	f.must(err)
	f.equal("how many", []int{ended, tokens}, []int{2, 1})
	f.equal("a token goes on", f.as(again).Session.Name, "ci")
	_, err = f.svc.Authenticate(t.Context(), f.token.Reveal())
	f.refused(err, api.CodeUnauthenticated, noSessionDetail)
	f.equal("the other's", f.sessions(other), []string{"cli keyfob"})

	_, f.owner = f.signIn(f.owner.User)
	f.equal("ends", types(f.orgEvents(core.ListEvents{Type: "session.ended"})), []string{"session.ended", "session.ended", "session.ended"})
	revoked := f.orgEvents(core.ListEvents{Type: "token.revoked"})
	f.equal("one revoked", len(revoked), 1)
	f.equal("which", revoked[0].Data, map[string]string{
		"session": ci.Session.ID, "hint": ci.Session.Hint, "kind": "token", "name": "ci", "host": "laptop",
	})
}

// TestExpiredSessionsEndToo: on a replica whose clock is behind they would live still.
func TestExpiredSessionsEndToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tab, _ := f.start(api.SessionBrowser, "tab")
	f.clock.move(time.Hour)
	ended, tokens, err := f.svc.EndSessions(t.Context(), f.owner)
	f.must(err)
	f.equal("counted are those that lived", []int{ended, tokens}, []int{1, 0})
	f.clock.move(-time.Minute)
	f.signedOut(tab)
}

func TestBootstrapWithAnAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	in := core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada", Email: "Ada@Example.com"}
	_, u, err := f.svc.Bootstrap(t.Context(), in) // the owner has none yet
	f.must(err)
	f.equal("owner", u, core.User{ID: f.owner.User.ID, Name: "Ada", Email: "ada@example.com"})
	in.Email = "other@example.com"
	_, u, err = f.svc.Bootstrap(t.Context(), in)
	f.must(err)
	f.equal("it stays", u.Email, "ada@example.com")
	_, _, err = f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo", Email: "ada@example.com"})
	f.refused(err, api.CodeNameTaken, `another account has the address "ada@example.com"`)
	in.Email = "ada"
	_, _, err = f.svc.Bootstrap(t.Context(), in)
	f.refused(err, api.CodeInvalidRequest, "is not a name, one @ and a domain")
}
