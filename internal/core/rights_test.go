package core_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// operation is one thing that can be done to a member, and undone by nobody but this test.
type operation struct {
	name  string
	needs func(target, to api.Role) []api.Permission
	do    func(f *fixture, p core.Principal, target, to api.Role) error
}

func operations() []operation {
	need := func(roles ...api.Role) []api.Permission {
		out := []api.Permission{api.MembersWrite}
		if slices.Contains(roles, api.RoleOwner) {
			out = append(out, api.OwnersWrite)
		}
		return out
	}
	ofTarget := func(target, _ api.Role) []api.Permission { return need(target) }
	ofBoth := func(target, to api.Role) []api.Permission { return need(target, to) }
	return []operation{
		{
			"list", func(api.Role, api.Role) []api.Permission { return []api.Permission{api.MembersRead} },
			func(f *fixture, p core.Principal, _, _ api.Role) error {
				_, err := f.svc.Members(f.Context(), p, "acme")
				return err
			},
		},
		{
			"invite", func(_, to api.Role) []api.Permission { return need(to) },
			func(f *fixture, p core.Principal, _, to api.Role) error {
				_, _, err := f.svc.AddMember(f.Context(), p, "acme", "new@example.com", to)
				return err
			},
		},
		{"invite again", ofBoth, func(f *fixture, p core.Principal, target, to api.Role) error {
			f.invite("again@example.com", target)
			_, _, err := f.svc.AddMember(f.Context(), p, "acme", "again@example.com", to)
			return err
		}},
		{"change", ofBoth, func(f *fixture, p core.Principal, target, to api.Role) error {
			id := f.user(f.org.ID, "target", target).ID
			_, err := f.svc.SetMemberRole(f.Context(), p, "acme", id, to)
			return err
		}},
		{"change an invitation", ofBoth, func(f *fixture, p core.Principal, target, to api.Role) error {
			f.invite("invited@example.com", target)
			_, err := f.svc.SetMemberRole(f.Context(), p, "acme", "invited@example.com", to)
			return err
		}},
		{"remove", ofTarget, func(f *fixture, p core.Principal, target, _ api.Role) error {
			f.user(f.org.ID, "target", target)
			return f.svc.RemoveMember(f.Context(), p, "acme", "target@example.com")
		}},
		{"withdraw", ofTarget, func(f *fixture, p core.Principal, target, _ api.Role) error {
			f.invite("invited@example.com", target)
			return f.svc.RemoveMember(f.Context(), p, "acme", "invited@example.com")
		}},
	}
}

// TestWhoMayDoWhatToMembers derives every answer from the table of permissions: each role, and a token with each of the three
// permissions, by what it does, to whom, and what they are to be.
func TestWhoMayDoWhatToMembers(t *testing.T) {
	t.Parallel()
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			may := map[*core.Principal]func(api.Permission) bool{}
			for _, role := range api.Roles() {
				p := f.member("the"+string(role), role)
				may[&p] = role.May
			}
			for _, only := range [][]api.Permission{{api.MembersRead}, {api.MembersWrite}, {api.MembersWrite, api.OwnersWrite}} {
				p := f.as(f.ownToken(fmt.Sprint(only), only...))
				may[&p] = func(need api.Permission) bool { return slices.Contains(only, need) }
			}
			for p, may := range may {
				for _, target := range api.Roles() {
					for _, to := range api.Roles() {
						needs := op.needs(target, to)
						err := op.do(f, *p, target, to)
						missing := slices.IndexFunc(needs, func(need api.Permission) bool { return !may(need) })
						if missing < 0 && err != nil {
							t.Fatalf("%s %s: %s, who is %s and is to be %s: %v", p.User.Name, p.Session.Name, op.name, target, to, err)
						}
						if missing >= 0 {
							f.refused(err, api.CodeForbidden, "does not have the permission "+string(needs[missing]))
						}
						f.tidy()
					}
				}
			}
		})
	}
}

// tidy undoes what an operation did.
func (f *fixture) tidy() {
	f.Helper()
	for _, email := range []string{"new@example.com", "again@example.com", "invited@example.com", "target@example.com"} {
		if err := f.svc.RemoveMember(f.Context(), f.owner, "acme", email); err != nil {
			f.refused(err, api.CodeMemberNotFound, email)
		}
	}
}
