package core_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const goodPassword = "correct horse battery staple"

func (f *fixture) members() (out []string) {
	f.Helper()
	all, err := f.svc.Members(f.Context(), f.owner, "acme")
	f.must(err)
	for _, m := range all {
		out = append(out, fmt.Sprintf("%s %s %s %s", m.Name, m.Email, m.Role, m.Status))
	}
	return out
}

// with makes the fixture's service one with local accounts.
func (f *fixture) withPasswords() *fixture {
	f.svc = f.serviceWith(core.Config{Passwords: true})
	return f
}

func (f *fixture) invite(email string, role api.Role) (link string) {
	f.Helper()
	_, link, err := f.svc.AddMember(f.Context(), f.owner, "acme", email, role)
	f.must(err)
	return link
}

func TestMembersAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.now().Truncate(time.Microsecond)
	f.clock.move(time.Hour)
	f.invite("bo@example.com", api.RoleAdmin)
	f.clock.move(time.Hour)
	f.member("cy", api.RoleViewer)
	f.invite("Di@Example.com", api.RoleMember)
	f.clock.move(time.Hour)
	m, err := f.svc.SetMemberRole(t.Context(), f.owner, "acme", "BO@example.com", api.RoleViewer)
	f.must(err)
	all, err := f.svc.Members(t.Context(), f.owner, "acme")
	f.must(err)
	invited := core.Member{
		Email: "bo@example.com", Role: api.RoleViewer, Status: api.MemberInvited, CreatedAt: start.Add(time.Hour), ExpiresAt: start.Add(169 * time.Hour),
	}
	f.equal("changed", m, invited)
	f.equal("members", all, []core.Member{
		{ID: f.owner.User.ID, Name: "Ada", Role: api.RoleOwner, Status: api.MemberActive, CreatedAt: start},
		{ID: all[1].ID, Name: "cy", Email: "cy@example.com", Role: api.RoleViewer, Status: api.MemberActive, CreatedAt: start.Add(2 * time.Hour)},
		invited,
		{
			Email: "di@example.com", Role: api.RoleMember, Status: api.MemberInvited,
			CreatedAt: start.Add(2 * time.Hour), ExpiresAt: start.Add(170 * time.Hour),
		},
	})
	f.clock.set(start.Add(169 * time.Hour))
	f.equal("the first invitation has expired", f.members()[2:], []string{" di@example.com member invited"})
	_, err = f.svc.SetMemberRole(t.Context(), f.owner, "acme", "bo@example.com", api.RoleAdmin)
	f.refused(err, api.CodeMemberNotFound, `no member "bo@example.com"`)
}

func TestMemberEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cy := f.member("cy", api.RoleViewer)
	f.invite("bo@example.com", api.RoleAdmin)
	for _, ref := range []string{cy.User.ID, "bo@example.com"} {
		for range 2 { // the second changes nothing
			_, err := f.svc.SetMemberRole(t.Context(), f.owner, "acme", ref, api.RoleMember)
			f.must(err)
		}
		f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", ref))
	}
	var got []map[string]string
	for _, e := range f.orgEvents(core.ListEvents{Type: "member"}) {
		f.equal("actor", e.Actor, f.owner.Actor())
		got = append(got, e.Data)
	}
	f.equal("data", got, []map[string]string{
		{"email": "bo@example.com", "from": "admin", "to": "member"},
		{"member": cy.User.ID, "name": "cy", "email": "cy@example.com", "role": "member"},
		{"member": cy.User.ID, "name": "cy", "email": "cy@example.com", "from": "viewer", "to": "member"},
		{"email": "bo@example.com", "role": "admin"},
	})
	f.equal("types", types(f.orgEvents(core.ListEvents{Type: "member"})),
		[]string{"member.role_changed", "member.removed", "member.role_changed", "member.invited"})
	f.equal("withdrawn", f.orgEvents(core.ListEvents{Type: "invitation"})[0].Data, map[string]string{"email": "bo@example.com", "role": "member"})
}

func TestMembersThatCannotBe(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock.move(time.Second)
	f.member("cy", api.RoleViewer)
	for _, email := range []string{"cy@example.com", "CY@EXAMPLE.COM"} {
		_, _, err := f.svc.AddMember(t.Context(), f.owner, "acme", email, api.RoleAdmin)
		f.refused(err, api.CodeAlreadyMember, "is a member of the organisation \"acme\" already")
	}
	for _, role := range []api.Role{"", "root", "Owner", "owner\x00"} {
		_, _, err := f.svc.AddMember(t.Context(), f.owner, "acme", "bo@example.com", role)
		f.refused(err, api.CodeInvalidRequest, "there is no role")
		_, err = f.svc.SetMemberRole(t.Context(), f.owner, "acme", "cy@example.com", role)
		f.refused(err, api.CodeInvalidRequest, "there is no role")
	}
	_, _, err := f.svc.AddMember(t.Context(), f.owner, "acme", "bo", api.RoleAdmin)
	f.refused(err, api.CodeInvalidRequest, `"bo" is not a name, one @ and a domain`)
	for _, ref := range []string{"", "cy", "nobody@example.com", "usr_" + strings.Repeat("0", 26), "a\x00@b", strings.Repeat("a", 1<<16)} {
		_, err := f.svc.SetMemberRole(t.Context(), f.owner, "acme", ref, api.RoleAdmin)
		f.refused(err, api.CodeMemberNotFound, `the organisation "acme" has no member`)
		f.refused(f.svc.RemoveMember(t.Context(), f.owner, "acme", ref), api.CodeMemberNotFound, `the organisation "acme" has no member`)
	}
	f.refused(f.svc.RemoveMember(t.Context(), f.owner, "acme", f.token.Reveal()), api.CodeInvalidRequest, "not by a secret")

	_, bo, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo", Email: "bo@example.com"})
	f.must(err)
	for _, ref := range []string{bo.ID, "bo@example.com"} { // there is an account, but not in this org
		f.refused(f.svc.RemoveMember(t.Context(), f.owner, "acme", ref), api.CodeMemberNotFound, ref)
	}
	_, boP := f.signIn(bo)
	_, err = f.svc.Members(t.Context(), boP, "acme")
	f.refused(err, api.CodeOrgNotFound, `"acme"`)
	f.equal("untouched", f.members(), []string{"Ada  owner active", "cy cy@example.com viewer active"})
}

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.invite("bo@example.com", api.RoleOwner) // does not count before they join
	const text = `"Ada" is the last owner of the organisation "acme"`
	f.beta() // an owner elsewhere is none here
	f.refused(f.svc.RemoveMember(t.Context(), f.owner, "acme", f.owner.User.ID), api.CodeLastOwner, text)
	_, err := f.svc.SetMemberRole(t.Context(), f.owner, "acme", f.owner.User.ID, api.RoleAdmin)
	f.refused(err, api.CodeLastOwner, text)
	cy := f.member("cy", api.RoleOwner)
	f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", f.owner.User.ID)) // themself
	f.refused(f.svc.RemoveMember(t.Context(), cy, "acme", cy.User.ID), api.CodeLastOwner, `"cy" is the last owner`)
}

// TestTwoLastOwnersAtOnce: of two that demote or remove each other one stays.
func TestTwoLastOwnersAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 6 {
		name := fmt.Sprint("o", i)
		other := f.member(name, api.RoleOwner)
		owners := []core.Principal{f.owner, other}
		errs := make([]error, len(owners))
		var group sync.WaitGroup
		for n, p := range owners {
			group.Go(func() {
				if i%2 == 0 {
					_, errs[n] = f.svc.SetMemberRole(t.Context(), p, "acme", p.User.ID, api.RoleAdmin)
				} else {
					errs[n] = f.svc.RemoveMember(t.Context(), p, "acme", p.User.ID)
				}
			})
		}
		group.Wait()
		kept := slices.IndexFunc(errs, func(err error) bool { return err != nil })
		if kept < 0 {
			t.Fatal("the organisation has no owner any more")
		}
		f.refused(errs[kept], api.CodeLastOwner, "is the last owner")
		f.must(errs[1-kept])
		_, f.owner = f.signIn(owners[kept].User)
	}
}

func TestLeavingTheLastOrgEndsEverySession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	beta := f.beta()
	u := f.user(f.org.ID, "cy", api.RoleMember)
	f.user(beta.ID, "cy", api.RoleMember)
	cli, p := f.signIn(u)
	browser, err := f.svc.StartSession(t.Context(), u.ID, api.SessionBrowser, core.Client{})
	f.must(err)
	here := f.tokenOf(p, "here", api.KeysRead)
	there, err := f.svc.CreateToken(t.Context(), p, "beta", core.NewToken{
		Name: "there", Permissions: []api.Permission{api.KeysRead}, ExpiresAt: f.clock.now().Add(time.Hour),
	})
	f.must(err)

	f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", u.ID))
	f.signedOut(here)
	f.equal("the rest goes on", f.sessions(p), []string{"cli keyfob", "browser ", "token there"})
	ms, err := f.svc.Memberships(t.Context(), p)
	f.must(err)
	f.equal("at once", len(ms), 1)
	_, err = f.svc.Key(t.Context(), p, "acme", "ci")
	f.refused(err, api.CodeOrgNotFound, `"acme"`)

	f.must(f.svc.RemoveMember(t.Context(), f.owner, "beta", u.ID))
	for _, in := range []core.SignedIn{there, browser, {Token: cli}} {
		f.signedOut(in)
	}
	page, err := f.svc.Events(t.Context(), f.owner, "beta", core.ListEvents{Limit: 4})
	f.must(err)
	f.equal("told to the org that it was", types(page.Events), []string{"session.refused", "member.removed", "token.revoked", "session.ended"})
}
