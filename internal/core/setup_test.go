package core_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

const noLink = "this link is not valid: a set-up link works once, for a limited time"

// emptyFixture is a fixture without an org, with local accounts.
func emptyFixture(tb testing.TB) *fixture {
	tb.Helper()
	f := fixtureOn(tb)
	return f.withPasswords()
}

func (f *fixture) finish(link string, a core.Account) core.User {
	f.Helper()
	u, err := f.svc.FinishSetUp(f.Context(), link, a, core.Origin{})
	f.must(err)
	return u
}

// dead wants a link that opens nothing, like one that never was.
func (f *fixture) dead(link string) {
	f.Helper()
	_, err := f.svc.SetUp(f.Context(), link)
	f.refused(err, api.CodeNotFound, noLink)
	_, err = f.svc.FinishSetUp(f.Context(), link, core.Account{UserName: "Eve", Password: goodPassword}, core.Origin{})
	f.refused(err, api.CodeNotFound, noLink)
}

func (f *fixture) setUp(link string) core.SetUp {
	f.Helper()
	su, err := f.svc.SetUp(f.Context(), link)
	f.must(err)
	return su
}

func (f *fixture) signsIn(email, password string) {
	f.Helper()
	_, err := f.svc.SignInPassword(f.Context(), email, password, core.Origin{})
	f.must(err)
}

func TestFirstSetUp(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t)
	start := f.clock.now().Truncate(time.Microsecond)
	old, ok, err := f.svc.OpenFirstSetUp(t.Context())
	f.must(err)
	link, ok2, err := f.svc.OpenFirstSetUp(t.Context())
	f.must(err)
	if !ok || !ok2 || len(link) < 26 {
		t.Fatalf("no link: %t, %t", ok, ok2)
	}
	f.dead(old)
	f.equal("what it is for", f.setUp(link), core.SetUp{Kind: core.SetUpFirst, Role: api.RoleOwner, InvitedBy: "operator", ExpiresAt: start.Add(24 * time.Hour)})
	good := core.Account{OrgSlug: "acme", OrgName: "Acme", Email: "Ada@Example.com", UserName: "Ada", Password: goodPassword}
	for text, spoil := range map[string]func(*core.Account){
		"slug \"A\"":                   func(a *core.Account) { a.OrgSlug = "A" },
		"the organisation's name":      func(a *core.Account) { a.OrgName = "a\nb" },
		"a name, one @ and a domain":   func(a *core.Account) { a.Email = "ada" },
		"the user's name is empty":     func(a *core.Account) { a.UserName = "" },
		"the password is too short":    func(a *core.Account) { a.Password = "14 characters." },
		"the password is too long":     func(a *core.Account) { a.Password = strings.Repeat("a", 1025) },
		"is not valid UTF-8":           func(a *core.Account) { a.Password = goodPassword + "\xff" },
		"is the e-mail address":        func(a *core.Account) { a.Password = "ADA@EXAMPLE.COM" },
		"the user's name \"-rf\" begi": func(a *core.Account) { a.UserName = "-rf" },
	} {
		bad := good
		spoil(&bad)
		_, err := f.svc.FinishSetUp(t.Context(), link, bad, core.Origin{})
		f.refused(err, api.CodeInvalidRequest, text)
	}
	good.OrgName = ""
	ada := f.finish(link, good)
	f.equal("user", ada, core.User{ID: ada.ID, Name: "Ada", Email: "ada@example.com"})
	f.dead(link)
	link, ok, err = f.svc.OpenFirstSetUp(t.Context())
	f.must(err)
	f.equal("there is a user", link == "" && !ok, true)

	_, f.owner = f.signIn(ada)
	ms, err := f.svc.Memberships(t.Context(), f.owner)
	f.must(err)
	f.equal("memberships", ms, []core.Membership{{Org: core.Org{ID: ms[0].ID, Slug: "acme", Name: "acme"}, Role: api.RoleOwner}})
	f.create(core.NewKey{Name: "ci"})
	created := f.orgEvents(core.ListEvents{Type: "org"})
	f.equal("by whom", created[0].Actor, f.owner.Actor())
	f.signsIn("ADA@example.com", goodPassword)
}

func TestFirstSetUpEnds(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t)
	late, _, err := f.svc.OpenFirstSetUp(t.Context())
	f.must(err)
	f.clock.move(24*time.Hour - time.Microsecond)
	f.setUp(late)
	f.clock.move(time.Microsecond)
	f.dead(late)
	over, _, err := f.svc.OpenFirstSetUp(t.Context())
	f.must(err)
	_, _, err = f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"}) // beside the service
	f.must(err)
	f.dead(over)
	for _, junk := range []string{"", "x", "kfs_", strings.Repeat("A", 1<<16), over[:25], over + "A", "a\x00b", "\xff"} {
		f.dead(junk)
	}
}

// TestALinkIsUsedOnce: of two that use it at once, one gets the account.
func TestALinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t)
	use := func(link string, accounts ...core.Account) {
		f.Helper()
		errs := make([]error, len(accounts))
		var group sync.WaitGroup
		for i, a := range accounts {
			group.Go(func() { _, errs[i] = f.svc.FinishSetUp(t.Context(), link, a, core.Origin{}) })
		}
		group.Wait()
		used := 0
		for _, err := range errs {
			if err == nil {
				used++
				continue
			}
			f.refused(err, api.CodeNotFound, noLink)
		}
		f.equal("used", used, 1)
	}
	link, _, err := f.svc.OpenFirstSetUp(t.Context())
	f.must(err)
	a := core.Account{OrgSlug: "acme", Email: "ada@example.com", UserName: "Ada", Password: goodPassword}
	b := core.Account{OrgSlug: "beta", Email: "bo@example.com", UserName: "Bo", Password: goodPassword}
	use(link, a, b)
	f.must(f.store.View(t.Context(), func(tx store.Tx) error {
		_, noA := tx.UserByEmail("ada@example.com")
		_, noB := tx.UserByEmail("bo@example.com")
		f.equal("one account", errors.Is(noA, store.ErrNotFound) != errors.Is(noB, store.ErrNotFound), true)
		return nil
	}))
}

// TestNoCodeInTheDatabase looks for links, codes and passwords in the bytes of the files.
func TestNoCodeInTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	link := f.invite("bo@example.com", api.RoleMember)
	f.finish(f.invite("cy@example.com", api.RoleMember), core.Account{UserName: "Needle", Password: goodPassword})
	_, err := f.svc.SignInPassword(t.Context(), goodPassword, "in the wrong field", core.Origin{})
	f.refused(err, api.CodeUnauthenticated, "")
	device := f.device("laptop")
	token := f.ownToken("ci", api.KeysRead)
	all := f.db.Content(t)
	if !bytes.Contains(all, []byte("Needle")) {
		t.Fatal("the test looks in the wrong place")
	}
	for what, s := range map[string]string{"link": link, "password": goodPassword, "device code": device.DeviceCode, "token": token.Token.Reveal()} {
		if bytes.Contains(all, []byte(s)) || bytes.Contains(all, []byte(s[5:20])) {
			t.Errorf("the database holds a %s", what)
		}
	}
}
