package core_test

import (
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestJoiningByLink(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	start := f.clock.now().Truncate(time.Microsecond)
	old := f.invite("bo@example.com", api.RoleOwner)
	link := f.invite("Bo@example.com", api.RoleMember)
	f.dead(old)
	f.equal("what it is for", f.setUp(link), core.SetUp{
		Kind: core.SetUpMember, Email: "bo@example.com", Org: f.org, Role: api.RoleMember, InvitedBy: "Ada", ExpiresAt: start.Add(7 * 24 * time.Hour),
	})
	for range 2 {
		_, err := f.svc.SetMemberRole(t.Context(), f.owner, "acme", "bo@example.com", api.RoleViewer)
		f.must(err)
		_, err = f.svc.SetMemberRole(t.Context(), f.owner, "acme", "bo@example.com", api.RoleAdmin)
		f.must(err)
	}
	f.dead(old)
	f.equal("the link goes on", f.setUp(link).Role, api.RoleAdmin)
	bo := f.finish(link, core.Account{Email: "eve@example.com", UserName: "Bo", Password: goodPassword}) // the address is the invitation's
	f.equal("user", bo, core.User{ID: bo.ID, Name: "Bo", Email: "bo@example.com"})
	f.dead(link)
	f.equal("members", f.members(), []string{"Ada  owner active", "Bo bo@example.com admin active"})
	joined := f.orgEvents(core.ListEvents{Type: "member.joined"})
	f.equal("event", joined[0].Data, map[string]string{"member": bo.ID, "name": "Bo", "email": "bo@example.com", "role": "admin", "by": "link"})
	f.equal("actor", joined[0].Actor, core.Actor{Type: api.ActorUser, ID: bo.ID, Name: "Bo"})

	for _, end := range []func(string){
		func(string) { f.clock.move(7 * 24 * time.Hour) },
		func(email string) { f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", email)) },
		func(email string) { // withdrawn after its role was changed, and invited anew
			_, err := f.svc.SetMemberRole(t.Context(), f.owner, "acme", email, api.RoleAdmin)
			f.must(err)
			f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", email))
			f.invite(email, api.RoleViewer)
		},
	} {
		link := f.invite("cy@example.com", api.RoleViewer)
		f.setUp(link)
		end("cy@example.com")
		f.dead(link)
	}
}

// TestJoiningWithAnAccount: who holds a link to an address that has an account joins with that account's password alone.
func TestJoiningWithAnAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	bo := f.finish(f.invite("bo@example.com", api.RoleViewer), core.Account{UserName: "Bo", Password: goodPassword})
	f.beta()
	_, link, err := f.svc.AddMember(t.Context(), f.owner, "beta", "bo@example.com", api.RoleAdmin)
	f.must(err)
	f.equal("there is an account", f.setUp(link).HasAccount, true)
	_, err = f.svc.FinishSetUp(t.Context(), link, core.Account{UserName: "Eve", Password: "a password of the thief's own"}, core.Origin{})
	f.refused(err, api.CodeUnauthenticated, "the e-mail address or the password is wrong")
	got := f.finish(link, core.Account{UserName: "Eve", Password: goodPassword})
	f.equal("the same account, and its name", got, bo)
	_, p := f.signIn(bo)
	ms, err := f.svc.Memberships(t.Context(), p)
	f.must(err)
	f.equal("in both", []api.Role{ms[0].Role, ms[1].Role}, []api.Role{api.RoleViewer, api.RoleAdmin})

	_, link, err = f.svc.AddMember(t.Context(), f.owner, "beta", "cy@example.com", api.RoleAdmin)
	f.must(err)
	other := f.invite("cy@example.com", api.RoleViewer)
	f.equal("no account yet", f.setUp(link).HasAccount, false)
	f.finish(other, core.Account{UserName: "Cy", Password: goodPassword})
	_, err = f.svc.FinishSetUp(t.Context(), link, core.Account{UserName: "Eve", Password: "a password of the thief's own"}, core.Origin{})
	f.refused(err, api.CodeUnauthenticated, "")
	for range 4 {
		_, err = f.svc.FinishSetUp(t.Context(), link, core.Account{Password: "wrong"}, core.Origin{})
		f.refused(err, api.CodeUnauthenticated, "")
	}
	_, err = f.svc.FinishSetUp(t.Context(), link, core.Account{Password: goodPassword}, core.Origin{}) // they count like a sign-in
	f.refused(err, api.CodeTooManyTries, "too many tries")
	_, err = f.svc.SignInPassword(t.Context(), "cy@example.com", goodPassword, core.Origin{})
	f.refused(err, api.CodeTooManyTries, "too many tries")
}

func TestNewPassword(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	bo := f.finish(f.invite("bo@example.com", api.RoleMember), core.Account{UserName: "Bo", Password: goodPassword})
	old, err := f.svc.NewPasswordSetUp(t.Context(), "bo@example.com")
	f.must(err)
	link, err := f.svc.NewPasswordSetUp(t.Context(), " Bo@Example.com"[1:])
	f.must(err)
	f.dead(old)
	f.equal("what it is for", f.setUp(link), core.SetUp{
		Kind: core.SetUpPassword, Email: "bo@example.com", InvitedBy: "operator", HasAccount: true, ExpiresAt: f.clock.now().Truncate(time.Microsecond).Add(24 * time.Hour),
	})
	cli, p := f.signIn(bo)
	browser, err := f.svc.StartSession(t.Context(), bo.ID, api.SessionBrowser, core.Client{})
	f.must(err)
	ci := f.tokenOf(p, "ci", api.KeysRead)
	device := f.device("laptop")
	f.must(f.svc.DecideDevice(t.Context(), p, device.UserCode, true))
	for range 5 {
		_, err := f.svc.SignInPassword(t.Context(), "bo@example.com", "wrong", core.Origin{})
		f.refused(err, api.CodeUnauthenticated, "")
	}

	_, err = f.svc.FinishSetUp(t.Context(), link, core.Account{Password: "too short"}, core.Origin{})
	f.refused(err, api.CodeInvalidRequest, "too short: at least 15 characters")
	f.equal("the same user", f.finish(link, core.Account{UserName: "Eve", Email: "eve@example.com", Password: "another " + goodPassword}), bo)
	f.dead(link)
	for _, in := range []core.SignedIn{{Token: cli}, browser, ci} {
		f.signedOut(in)
	}
	_, err = f.svc.PollDevice(t.Context(), device.DeviceCode)
	f.is(err, core.ErrDeviceDenied)
	f.signsIn("bo@example.com", "another "+goodPassword) // although there were too many wrong ones
	_, err = f.svc.SignInPassword(t.Context(), "bo@example.com", goodPassword, core.Origin{})
	f.refused(err, api.CodeUnauthenticated, "")
	set := f.orgEvents(core.ListEvents{Type: "account"})
	f.equal("event", set[0].Data, map[string]string{"link_made_by": "operator", "link_made_at": "2031-02-03T04:05:06Z"})
	f.equal("actor", set[0].Actor.ID, bo.ID)

	_, err = f.svc.NewPasswordSetUp(t.Context(), "nobody@example.com")
	f.refused(err, api.CodeNotFound, `no account "nobody@example.com"`)
	_, err = f.svc.NewPasswordSetUp(t.Context(), "")
	f.refused(err, api.CodeInvalidRequest, "is not a name, one @ and a domain")
}

func TestWithoutPasswords(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.equal("no link", f.invite("bo@example.com", api.RoleMember), "")
	_, err := f.svc.SignInPassword(t.Context(), "bo@example.com", goodPassword, core.Origin{})
	f.refused(err, api.CodeForbidden, "keeps no passwords")
	_, err = f.svc.NewPasswordSetUp(t.Context(), "bo@example.com")
	f.refused(err, api.CodeForbidden, "keeps no passwords")
	_, err = f.svc.FinishSetUp(t.Context(), "x", core.Account{}, core.Origin{})
	f.refused(err, api.CodeForbidden, "keeps no passwords")
	g := fixtureOn(t)
	g.svc = g.service()
	link, ok, err := g.svc.OpenFirstSetUp(t.Context())
	f.must(err)
	f.equal("no first set-up", link == "" && !ok, true)
}

// TestTwoLinksToOneAddress: two orgs invited it before it had an account; used at once, they make one, and the second link asks for
// its password.
func TestTwoLinksToOneAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.beta()
	for _, email := range []string{"bo@example.com", "cy@example.com", "di@example.com"} {
		_, other, err := f.svc.AddMember(t.Context(), f.owner, "beta", email, api.RoleMember)
		f.must(err)
		links := []string{f.invite(email, api.RoleMember), other}
		passwords := []string{goodPassword, "another " + goodPassword}
		users, errs := make([]core.User, 2), make([]error, 2)
		var group sync.WaitGroup
		for i, link := range links {
			group.Go(func() {
				users[i], errs[i] = f.svc.FinishSetUp(t.Context(), link, core.Account{UserName: "Bo", Password: passwords[i]}, core.Origin{})
			})
		}
		group.Wait()
		first := 0
		if errs[0] != nil {
			first = 1
		}
		f.must(errs[first])
		if second := errs[1-first]; !isRefusal(second, api.CodePreconditionFailed) && !isRefusal(second, api.CodeUnauthenticated) {
			t.Fatalf("the second link: %v", second)
		}
		f.equal("there is an account", f.setUp(links[1-first]).HasAccount, true)
		f.equal("the same user", f.finish(links[1-first], core.Account{Password: passwords[first]}), users[first])
	}
}
