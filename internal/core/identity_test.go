package core_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const issuer = "https://login.example.com"

// identity is somebody with a verified address at the provider, whose subject is the name.
func identity(name, email string) core.Identity {
	return core.Identity{Issuer: issuer, Subject: "sub-" + name, Email: email, EmailVerified: true, Name: name}
}

func (f *fixture) withJoins(joins ...core.Join) *fixture {
	f.svc = f.serviceWith(core.Config{Joins: joins})
	return f
}

func (f *fixture) identified(id core.Identity) core.User {
	f.Helper()
	u, err := f.svc.SignInIdentity(f.Context(), id)
	f.must(err)
	return u
}

func (f *fixture) stranger(id core.Identity, text string) {
	f.Helper()
	_, err := f.svc.SignInIdentity(f.Context(), id)
	f.refused(err, api.CodeForbidden, text)
}

// roles returns what the user is in which org.
func (f *fixture) roles(u core.User) map[string]api.Role {
	f.Helper()
	_, p := f.signIn(u)
	ms, err := f.svc.Memberships(f.Context(), p)
	f.must(err)
	out := map[string]api.Role{}
	for _, m := range ms {
		out[m.Slug] = m.Role
	}
	return out
}

func TestInvitedAndSignedInByAProvider(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.beta()
	f.stranger(identity("Bo", "bo@example.com"), `"bo@example.com" has no account here, and is not invited`)
	f.invite("bo@example.com", api.RoleAdmin)
	_, _, err := f.svc.AddMember(t.Context(), f.owner, "beta", "bo@example.com", api.RoleViewer)
	f.must(err)

	unproven := identity("Bo", "bo@example.com")
	unproven.EmailVerified = false
	f.stranger(unproven, "does not say that it has verified your e-mail address")
	f.stranger(identity("Bo", "bo@example.co\u212A"), "does not say that it has verified")
	f.stranger(identity("Bo", ""), "does not say that it has verified")

	bo := f.identified(identity("Bo", "Bo@Example.com"))
	f.equal("user", bo, core.User{ID: bo.ID, Name: "Bo", Email: "bo@example.com"})
	f.equal("roles", f.roles(bo), map[string]api.Role{"acme": api.RoleAdmin, "beta": api.RoleViewer})
	f.equal("members", f.members(), []string{"Ada  owner active", "Bo bo@example.com admin active"})
	f.equal("event", f.orgEvents(core.ListEvents{Type: "member.joined"})[0].Data,
		map[string]string{"member": bo.ID, "name": "Bo", "email": "bo@example.com", "role": "admin", "by": "invitation"})

	f.equal("again, by subject alone", f.identified(core.Identity{Issuer: issuer, Subject: "sub-Bo"}), bo)
	f.equal("with another address", f.identified(identity("Bo", "robert@example.com")), bo)
	f.equal("that is not verified", f.identified(unproven), bo)

	// who is known accepts what came since; a role that they have stays
	f.must(f.svc.RemoveMember(t.Context(), f.owner, "beta", bo.ID))
	_, _, err = f.svc.AddMember(t.Context(), f.owner, "beta", "bo@example.com", api.RoleMember)
	f.must(err)
	f.identified(unproven)
	f.equal("not without a verified address", f.roles(bo), map[string]api.Role{"acme": api.RoleAdmin})
	f.identified(identity("Bo", "bo@example.com"))
	f.equal("roles", f.roles(bo), map[string]api.Role{"acme": api.RoleAdmin, "beta": api.RoleMember})
}

func TestSubjectsOfTwoProvidersAreTwo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.invite("bo@example.com", api.RoleAdmin)
	f.identified(identity("Bo", "bo@example.com"))
	for _, id := range []core.Identity{
		{Issuer: "https://other.example.com", Subject: "sub-Bo"},
		{Issuer: issuer + "/", Subject: "sub-Bo"},
		{Issuer: issuer, Subject: "sub-bo"},
		{Issuer: issuer, Subject: "sub-Bo "},
	} {
		f.stranger(id, "you have no account here")
	}
	for _, id := range []core.Identity{
		{Issuer: issuer},
		{Subject: "sub-Bo"},
		{Issuer: issuer, Subject: strings.Repeat("a", 256)},
		{Issuer: issuer, Subject: "a\x00b"},
		{Issuer: issuer, Subject: "a\xff"},
		{Issuer: issuer + "\x00", Subject: "a"},
		{Issuer: strings.Repeat("a", 1025), Subject: "sub-Bo"},
	} {
		_, err := f.svc.SignInIdentity(t.Context(), id)
		f.refused(err, api.CodeInvalidRequest, "the OpenID provider's")
	}
}

// TestOneAddressWithTwoIdentities: the second is not the first, although the provider says that they have the same address.
func TestOneAddressWithTwoIdentities(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.invite("bo@example.com", api.RoleAdmin)
	bo := f.identified(identity("Bo", "bo@example.com"))
	_, _, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bea"})
	f.must(err)
	for range 2 {
		f.stranger(identity("Eve", "bo@example.com"), `the account "bo@example.com" is another's at the OpenID provider`)
	}
	refused := f.orgEvents(core.ListEvents{Type: "sign_in"})
	f.equal("one event", len(refused), 1)
	f.equal("of the account", refused[0].Actor.ID, bo.ID)
	f.equal("data", refused[0].Data, map[string]string{"reason": "another identity", "issuer": issuer})
	f.equal("still theirs", f.identified(identity("Bo", "bo@example.com")), bo)
}

// TestAnAccountIsBoundByAVerifiedAddressAlone, and who made it under an address that was not theirs loses it.
func TestAnAccountIsBoundByAVerifiedAddressAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	bo := f.account("bo@example.com")
	thief, p := f.signIn(bo)
	ci := f.tokenOf(p, "ci", api.KeysRead)
	device := f.device("laptop")
	f.must(f.svc.DecideDevice(t.Context(), p, device.UserCode, true))

	unproven := identity("Bo", "bo@example.com")
	unproven.EmailVerified = false
	f.stranger(unproven, "you have no account here")
	f.equal("not bound", f.as(ci).User, bo)
	f.signsIn("bo@example.com", goodPassword)

	f.equal("bound", f.identified(identity("Robert", "bo@example.com")), bo)
	for _, in := range []core.SignedIn{{Token: thief}, ci} {
		f.signedOut(in)
	}
	f.is(f.poll(device), core.ErrDeviceDenied)
	f.wrong("bo@example.com", goodPassword, core.Origin{})
	f.equal("membership stays", f.roles(bo), map[string]api.Role{"acme": api.RoleMember})
	events := f.orgEvents(core.ListEvents{Type: "account"})
	f.equal("event", types(events), []string{"account.identity_bound"})
	f.equal("data", events[0].Data, map[string]string{"issuer": issuer})
	f.equal("by subject", f.identified(core.Identity{Issuer: issuer, Subject: "sub-Robert"}), bo)
}

// TestAnAccountWithoutAPasswordIsBound: nobody can have taken it, so its session goes on.
func TestAnAccountWithoutAPasswordIsBound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, cy, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Cy", Email: "cy@example.com"})
	f.must(err)
	in, _ := f.signIn(cy)
	f.equal("bound", f.identified(identity("Cyra", "cy@example.com")), cy)
	f.as(core.SignedIn{Token: in})
}

func TestJoiningByRule(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withJoins(
		core.Join{Domain: "example.com", Org: "acme", Role: api.RoleMember},
		core.Join{Domain: "example.com", Org: "beta", Role: api.RoleViewer},
		core.Join{Domain: "example.com", Org: "beta", Role: api.RoleOwner},
		core.Join{Domain: "example.com", Org: "later", Role: api.RoleViewer},
		core.Join{Domain: "later.example.com", Org: "later", Role: api.RoleViewer},
	)
	f.beta()
	for _, domain := range []string{"other.com", "sub.example.com", "notexample.com", "example.com.evil.org", "later.example.com"} {
		f.stranger(identity("Eve", "eve@"+domain), "has no account here")
	}
	unproven := identity("Eve", "eve@example.com")
	unproven.EmailVerified = false
	f.stranger(unproven, "you have no account here")

	f.invite("bo@example.com", api.RoleAdmin) // what somebody decided goes before the rule
	bo := f.identified(identity("Bo", "bo@EXAMPLE.com"))
	f.equal("roles", f.roles(bo), map[string]api.Role{"acme": api.RoleAdmin, "beta": api.RoleViewer})
	joined := f.orgEvents(core.ListEvents{Type: "member.joined"})
	f.equal("by", joined[0].Data["by"], "invitation")
	f.identified(identity("Cy", "cy@example.com"))
	f.equal("by", f.orgEvents(core.ListEvents{Type: "member.joined"})[0].Data["by"], "rule")

	f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", bo.ID))
	f.must(f.svc.RemoveMember(t.Context(), f.owner, "beta", bo.ID))
	f.identified(identity("Bo", "bo@example.com"))
	f.equal("who was removed does not come back alone", f.roles(bo), map[string]api.Role{})
}

// TestOneAccountOfOneIdentity: two first sign-ins at once make one user.
func TestOneAccountOfOneIdentity(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withJoins(core.Join{Domain: "example.com", Org: "acme", Role: api.RoleMember})
	var got [4]core.User
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() {
			var err error
			if got[i], err = f.svc.SignInIdentity(t.Context(), identity("Bo", "bo@example.com")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, u := range got {
		f.equal("user", u, got[0])
	}
}

func TestNamesOfAProvider(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withJoins(core.Join{Domain: "example.com", Org: "acme", Role: api.RoleMember})
	for i, tt := range [][3]string{
		{"Bo Büchner", "a@example.com", "Bo Büchner"},
		{" \u202eBo\x1b[2J\r\n", "b@example.com", "Bo[2J"},
		{"", "cy.d@example.com", "cy.d"},
		{"\u200b", "-@example.com", "user"},
		{strings.Repeat("x", 200), "e@example.com", strings.Repeat("x", 64)},
		{f.token.Reveal(), "f@example.com", "f"},
	} {
		id := identity(tt[0], tt[1])
		id.Subject = string(rune('a' + i))
		f.equal("name", f.identified(id).Name, tt[2])
	}
}

func TestRulesThatCannotHold(t *testing.T) {
	t.Parallel()
	f := fixtureOn(t)
	for text, j := range map[string]core.Join{
		`the domain "" is none`:            {Domain: "", Org: "acme", Role: api.RoleMember},
		`the domain "Example.com" is none`: {Domain: "Example.com", Org: "acme", Role: api.RoleMember},
		`the domain "@example" is none`:    {Domain: "@example", Org: "acme", Role: api.RoleMember},
		`the domain "a b" is none`:         {Domain: "a b", Org: "acme", Role: api.RoleMember},
		`slug "Acme"`:                      {Domain: "example.com", Org: "Acme", Role: api.RoleMember},
		`there is no role "root"`:          {Domain: "example.com", Org: "acme", Role: "root"},
	} {
		_, err := core.New(core.Config{Store: f.store, Material: testMaterial(), Joins: []core.Join{j}})
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", j, err, text)
		}
	}
}

// TestStateIsSpentOnce holds that of many who bring a state back at once, on two replicas, one is taken.
func TestStateIsSpentOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	services := []*core.Service{f.svc, f.service()}
	errs := make([]error, 16)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = services[i%2].SpendSignIn(t.Context(), "a state", time.Minute) })
	}
	all.Wait()
	taken := 0
	for _, err := range errs {
		switch {
		case err == nil:
			taken++
		case !errors.Is(err, core.ErrSpent):
			t.Error(err)
		}
	}
	f.equal("taken", taken, 1)
	f.must(f.svc.SpendSignIn(t.Context(), "another state", time.Minute))
}
