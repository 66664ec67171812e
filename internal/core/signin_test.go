package core_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

const wrongPassword = "the e-mail address or the password is wrong"

// account makes a local account in acme.
func (f *fixture) account(email string) core.User {
	f.Helper()
	return f.finish(f.invite(email, api.RoleMember), core.Account{UserName: "Bo", Password: goodPassword})
}

func (f *fixture) wrong(email, password string, from core.Origin) {
	f.Helper()
	_, err := f.svc.SignInPassword(f.Context(), email, password, from)
	f.refused(err, api.CodeUnauthenticated, wrongPassword)
	if err.Error() != "sign in: "+wrongPassword {
		f.Fatalf("it says %q", err.Error())
	}
}

func (f *fixture) locked(email, password string, from core.Origin, wait time.Duration) {
	f.Helper()
	_, err := f.svc.SignInPassword(f.Context(), email, password, from)
	f.refused(err, api.CodeTooManyTries, "there were too many tries")
	f.equal("retry after", retryAfter(f, err), wait)
}

func TestSignInWithAPassword(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	bo := f.account("bo@example.com")
	u, err := f.svc.SignInPassword(t.Context(), "BO@Example.com", goodPassword, core.Origin{})
	f.must(err)
	f.equal("user", u, bo)
	for name, tt := range map[string][2]string{
		"wrong":               {"bo@example.com", "wrong " + goodPassword},
		"empty":               {"bo@example.com", ""},
		"unknown":             {"nobody@example.com", goodPassword},
		"no address":          {"", goodPassword},
		"not an address":      {"bo", goodPassword},
		"broken address":      {"bo@example.com\x00", goodPassword},
		"endless address":     {strings.Repeat("a", 1<<20) + "@example.com", goodPassword},
		"endless password":    {"bo@example.com", strings.Repeat(goodPassword, 1<<12)},
		"broken password":     {"bo@example.com", goodPassword + "\xff"},
		"without a password":  {"eve@example.com", ""},
		"as it is kept":       {"bo@example.com", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"a space at its end":  {"bo@example.com", goodPassword + " "},
		"in capitals":         {"bo@example.com", strings.ToUpper(goodPassword)},
		"Kelvin is no letter": {"bo@e\u212aample.com", goodPassword},
	} {
		t.Log(name)
		f.wrong(tt[0], tt[1], core.Origin{AddressPrefix: name})
		f.clock.move(15 * time.Minute)
	}
	f.user(f.org.ID, "eve", api.RoleMember)
	f.wrong("eve@example.com", "", core.Origin{})
	_, err = f.svc.SignInPassword(t.Context(), "bo@example.com", goodPassword, core.Origin{})
	f.must(err)
}

// TestTheSamePasswordFromEveryKeyboard: NFKC (NIST SP 800-63B-4 §3.1.1.2).
func TestTheSamePasswordFromEveryKeyboard(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.finish(f.invite("bo@example.com", api.RoleMember), core.Account{UserName: "Bo", Password: "Ångström ﬁnds ½"})
	f.signsIn("bo@example.com", "A\u030angstro\u0308m finds 1\u20442")
	const combining = "A\u0301\u0323"
	_, err := f.svc.FinishSetUp(t.Context(), f.invite("cy@example.com", api.RoleMember), core.Account{UserName: "Cy", Password: strings.Repeat("e\u0301", 14)}, core.Origin{})
	f.refused(err, api.CodeInvalidRequest, "too short") // 28 code points, 14 characters
	f.finish(f.invite("cy@example.com", api.RoleMember), core.Account{UserName: "Cy", Password: strings.Repeat(combining, 8)})
	f.finish(f.invite("di@example.com", api.RoleMember), core.Account{UserName: "Di", Password: strings.Repeat("\u0451", 512)}) // 1024 bytes
}

// TestWrongPasswordsAreCounted for an account and for none alike, on every replica.
func TestWrongPasswordsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.account("bo@example.com")
	replica := *f
	replica.svc = f.serviceWith(core.Config{Passwords: true})
	start := f.clock.now()
	for _, email := range []string{"bo@example.com", "nobody@example.com"} {
		from := core.Origin{AddressPrefix: email}
		f.clock.set(start)
		for i := range 5 {
			[]*fixture{f, &replica}[i%2].wrong(strings.ToUpper(email), fmt.Sprint("wrong ", i), from)
		}
		f.clock.move(time.Minute)
		f.locked(email, goodPassword, from, 14*time.Minute) // the right one too
		replica.locked(email, goodPassword, core.Origin{AddressPrefix: "elsewhere"}, 14*time.Minute)
		f.clock.set(start.Add(15*time.Minute - time.Microsecond))
		replica.locked(email, "wrong", from, time.Second)
		f.clock.set(start.Add(15 * time.Minute))
		f.wrong(email, "wrong", from)
	}
	for range 4 {
		f.wrong("bo@example.com", "wrong", core.Origin{})
		f.signsIn("bo@example.com", goodPassword) // and those before are forgiven
	}
}

func TestWrongPasswordsOfAnAddressAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.account("bo@example.com")
	from := core.Origin{AddressPrefix: "192.0.2.0/24"}
	for i := range 30 {
		f.wrong(fmt.Sprintf("nobody%d@example.com", i), goodPassword, from)
		if i%10 == 0 { // the right one is no try
			_, err := f.svc.SignInPassword(t.Context(), "bo@example.com", goodPassword, from)
			f.must(err)
		}
	}
	f.locked("bo@example.com", goodPassword, from, 15*time.Minute)
	f.locked("nobody@example.com", goodPassword, from, 15*time.Minute)
	f.signsIn("bo@example.com", goodPassword) // from elsewhere
	f.clock.move(15 * time.Minute)
	_, err := f.svc.SignInPassword(t.Context(), "bo@example.com", goodPassword, from)
	f.must(err)
}

// TestNoMoreTriesAtOnceThanOneByOne: the count stands before the password is looked at.
func TestNoMoreTriesAtOnceThanOneByOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.account("bo@example.com")
	var services []*core.Service // so many that none has to wait for its turn to hash
	for range 6 {
		services = append(services, f.serviceWith(core.Config{Passwords: true}))
	}
	errs := make([]error, 12)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			_, errs[i] = services[i%6].SignInPassword(t.Context(), "bo@example.com", fmt.Sprint("wrong ", i), core.Origin{})
		})
	}
	group.Wait()
	looked := 0
	for _, err := range errs {
		switch {
		case codeOf(t, err) == api.CodeUnauthenticated:
			looked++
		default:
			f.refused(err, api.CodeTooManyTries, "too many tries")
		}
	}
	f.equal("looked at", looked, 5)
}

// TestAWrongClockLocksNobodyOut: a window that lies far in the future is none.
func TestAWrongClockLocksNobodyOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.account("bo@example.com")
	now := f.clock.now()
	f.clock.move(365 * 24 * time.Hour)
	for range 5 {
		f.wrong("bo@example.com", "wrong", core.Origin{})
	}
	f.clock.set(now)
	f.signsIn("bo@example.com", goodPassword)
	for range 5 {
		f.wrong("bo@example.com", "wrong", core.Origin{})
	}
	f.clock.move(-time.Second) // of a replica that is a little behind
	f.locked("bo@example.com", goodPassword, core.Origin{}, 15*time.Minute+time.Second)
}

func TestRefusedSignInsAreEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	bo := f.account("bo@example.com")
	from := core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "Mozilla/5.0"}
	all := func() []core.Event { return f.orgEvents(core.ListEvents{Type: "sign_in"}) }
	for range 3 {
		f.wrong("bo@example.com", "wrong", from)
		f.wrong("nobody@example.com", "wrong", from)
	}
	got := all()
	f.equal("one", len(got), 1)
	f.equal("data", got[0].Data, map[string]string{"reason": "wrong password", "address": "192.0.2.0/24", "agent": "Mozilla/5.0"})
	f.equal("actor", got[0].Actor, core.Actor{Type: api.ActorUser, ID: bo.ID, Name: "Bo"})
	f.clock.move(time.Hour - time.Microsecond)
	f.wrong("bo@example.com", "wrong", from)
	f.equal("at most one an hour", len(all()), 1)
	f.clock.move(time.Microsecond)
	f.wrong("bo@example.com", "wrong", from)
	f.equal("an hour later", len(all()), 2)
}

// TestOldPasswordWhileTheNewOneIsSet: afterwards the old one opens nothing.
func TestOldPasswordWhileTheNewOneIsSet(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.account("bo@example.com")
	old := goodPassword
	for i := range 4 {
		link, err := f.svc.NewPasswordSetUp(t.Context(), "bo@example.com")
		f.must(err)
		var group sync.WaitGroup
		group.Go(func() {
			_, err := f.svc.SignInPassword(t.Context(), "bo@example.com", old, core.Origin{})
			if err != nil && !isRefusal(err, api.CodeUnauthenticated) {
				t.Error(err)
			}
		})
		next := fmt.Sprint(goodPassword, i)
		f.finish(link, core.Account{Password: next})
		group.Wait()
		f.wrong("bo@example.com", old, core.Origin{})
		f.signsIn("bo@example.com", next)
		old = next
	}
}

func TestTooManyHashesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	link := f.invite("cy@example.com", api.RoleMember)
	f.account("bo@example.com")
	busy := f.serviceWith(core.Config{Passwords: true})
	release := core.HoldHashesForTest(busy, time.Millisecond)
	from := core.Origin{AddressPrefix: "192.0.2.0/24"}
	for _, email := range []string{"bo@example.com", "nobody@example.com"} {
		for range 6 { // no try that counts
			_, err := busy.SignInPassword(t.Context(), email, goodPassword, from)
			f.refused(err, api.CodeUnavailable, "too many passwords are being checked")
		}
	}
	_, err := busy.FinishSetUp(t.Context(), link, core.Account{UserName: "Cy", Password: goodPassword}, from)
	f.refused(err, api.CodeUnavailable, "too many passwords")
	release()
	_, err = busy.SignInPassword(t.Context(), "bo@example.com", goodPassword, from)
	f.must(err)
	_, err = busy.FinishSetUp(t.Context(), link, core.Account{UserName: "Cy", Password: goodPassword}, from) // the link was not used up
	f.must(err)
	f.must(f.store.View(t.Context(), func(tx store.Tx) error {
		tries, err := tx.Tries("password from address", from.AddressPrefix)
		f.equal("counted", tries.Count, 0)
		return err
	}))
}

func codeOf(tb testing.TB, err error) api.Code {
	tb.Helper()
	for _, c := range api.Codes() {
		if isRefusal(err, c.Code) {
			return c.Code
		}
	}
	tb.Fatalf("got error %v, want a refusal", err)
	return ""
}
