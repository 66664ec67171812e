package core_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// ownToken makes a token of the owner that lives for 90 days.
func (f *fixture) ownToken(name string, permissions ...api.Permission) core.SignedIn {
	f.Helper()
	return f.tokenOf(f.owner, name, permissions...)
}

func (f *fixture) tokenOf(p core.Principal, name string, permissions ...api.Permission) core.SignedIn {
	f.Helper()
	in, err := f.svc.CreateToken(f.Context(), p, "acme", core.NewToken{
		Name: name, Permissions: permissions, ExpiresAt: f.clock.now().Add(90 * 24 * time.Hour),
	})
	f.must(err)
	return in
}

// user makes a user of an org, past every rule.
func (f *fixture) user(orgID, name string, role api.Role) core.User {
	f.Helper()
	id := hex.EncodeToString([]byte(name))
	u := store.User{ID: "usr_" + strings.Repeat("0", 26-len(id)) + id, Name: name, Email: name + "@example.com", CreatedAt: f.clock.now()}
	f.must(f.store.Update(f.Context(), func(tx store.Tx) error {
		_, err := tx.User(u.ID)
		if errors.Is(err, store.ErrNotFound) {
			err = tx.AddUser(u)
		}
		return errors.Join(err, tx.AddMembership(store.Membership{OrgID: orgID, UserID: u.ID, Role: string(role), CreatedAt: f.clock.now()}))
	}))
	return core.User{ID: u.ID, Name: u.Name, Email: u.Email}
}

// member makes a user of acme and signs them in.
func (f *fixture) member(name string, role api.Role) core.Principal {
	f.Helper()
	_, p := f.signIn(f.user(f.org.ID, name, role))
	return p
}

// beta makes a second org whose owner is the fixture's too.
func (f *fixture) beta() core.Org {
	f.Helper()
	org, _, err := f.svc.Bootstrap(f.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"})
	f.must(err)
	f.must(f.store.Update(f.Context(), func(tx store.Tx) error {
		return tx.AddMembership(store.Membership{OrgID: org.ID, UserID: f.owner.User.ID, Role: string(api.RoleOwner), CreatedAt: f.clock.now()})
	}))
	return org
}

func TestTokenOpensOneOrgWithItsPermissions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	beta := f.beta()
	in := f.ownToken("nightly", api.EventsRead, api.KeysRead, api.KeysRead)
	p := f.as(in)
	start := f.clock.now().Truncate(time.Microsecond)
	f.equal("session", p.Session, core.Session{
		ID: in.Session.ID, Kind: api.SessionToken, Name: "nightly", Host: "laptop", Hint: in.Token.Hint(), UserID: f.owner.User.ID, Org: f.org,
		Permissions: []api.Permission{api.KeysRead, api.EventsRead}, CreatedAt: start, LastUsedAt: start, ExpiresAt: start.Add(90 * 24 * time.Hour),
	})
	f.equal("user", p.User, f.owner.User)
	for permission, errs := range calls(f, p, "acme", k.ID, sec) {
		for i, err := range errs {
			switch permission {
			case api.KeysRead, api.EventsRead:
				if err != nil {
					t.Errorf("call %d of %s was refused: %v", i, permission, err)
				}
			default:
				f.refused(err, api.CodeForbidden, `the token "nightly" does not have the permission `+string(permission))
			}
		}
	}
	for _, org := range []string{"beta", beta.ID, "none"} {
		for _, errs := range calls(f, p, org, k.ID, sec) {
			for _, err := range errs {
				f.refused(err, api.CodeOrgNotFound, "you are in no organisation")
			}
		}
	}
	ms, err := f.svc.Memberships(t.Context(), p)
	f.must(err)
	f.equal("memberships", ms, []core.Membership{{Org: f.org, Role: api.RoleOwner}})

	created := f.orgEvents(core.ListEvents{Type: "token.created"})
	f.equal("events", len(created), 1)
	f.equal("of it", created[0].Data, map[string]string{
		"session": in.Session.ID, "hint": in.Token.Hint(), "kind": "token", "name": "nightly", "host": "laptop",
		"permissions": "keys:read events:read", "expires_at": "2031-05-04T04:05:06Z",
	})
	page, err := f.svc.Events(t.Context(), f.owner, "beta", core.ListEvents{Type: "token"})
	f.must(err)
	f.equal("the other org is told nothing", len(page.Events), 0)
}

func TestTokensMayNotDoWhatPeopleDo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	in := f.ownToken("all", api.Permissions()...)
	p := f.as(in)
	_, err := f.svc.Sessions(t.Context(), p)
	f.refused(err, api.CodeForbidden, `the token "all" may not list sessions`)
	_, _, err = f.svc.EndSessions(t.Context(), p)
	f.refused(err, api.CodeForbidden, "may not end other sessions")
	for _, id := range []string{f.owner.Session.ID, p.Session.ID} {
		f.refused(f.svc.EndSessionByID(t.Context(), p, id), api.CodeForbidden, "may not end other sessions")
	}
	_, err = f.svc.CreateToken(t.Context(), p, "acme", core.NewToken{Name: "b", Permissions: []api.Permission{api.KeysRead}, ExpiresAt: f.clock.now().Add(time.Hour)})
	f.refused(err, api.CodeForbidden, "may not make tokens")
	_, err = f.svc.Device(t.Context(), p, "BBBB-BBBB")
	f.refused(err, api.CodeForbidden, "may not sign programs in")
	f.refused(f.svc.DecideDevice(t.Context(), p, "BBBB-BBBB", true), api.CodeForbidden, "may not sign programs in")

	f.must(f.svc.EndSession(t.Context(), p)) // its own it may end
	f.signedOut(in)
	f.equal("events", types(f.orgEvents(core.ListEvents{Type: "token"})), []string{"token.revoked", "token.created"})
	refused := f.orgEvents(core.ListEvents{Type: "session.refused"})
	f.equal("a refusal", refused[0].Data, map[string]string{
		"session": in.Session.ID, "hint": in.Token.Hint(), "kind": "token", "name": "all", "host": "laptop", "reason": "ended",
	})
}

func TestTokensThatCannotBeMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	viewer := f.member("vi", api.RoleViewer)
	f.ownToken("Straße", api.KeysRead)
	good := core.NewToken{Name: "ci", Permissions: []api.Permission{api.KeysRead}, ExpiresAt: f.clock.now().Add(time.Hour)}
	for name, tt := range map[string]struct {
		spoil func(*core.NewToken)
		code  api.Code
		text  string
	}{
		"no name":        {func(n *core.NewToken) { n.Name = "" }, api.CodeInvalidRequest, "the token's name is empty"},
		"long name":      {func(n *core.NewToken) { n.Name = strings.Repeat("a", 65) }, api.CodeInvalidRequest, "65 characters"},
		"control":        {func(n *core.NewToken) { n.Name = "a\nb" }, api.CodeInvalidRequest, "(U+000A)"},
		"flag":           {func(n *core.NewToken) { n.Name = "-x" }, api.CodeInvalidRequest, "begins with '-'"},
		"a secret":       {func(n *core.NewToken) { n.Name = f.token.Reveal() }, api.CodeInvalidRequest, "looks like a secret"},
		"taken":          {func(n *core.NewToken) { n.Name = "STRASSE" }, api.CodeNameTaken, `"STRASSE" is taken`},
		"no permission":  {func(n *core.NewToken) { n.Permissions = nil }, api.CodeInvalidRequest, "without permissions"},
		"unknown":        {func(n *core.NewToken) { n.Permissions = append(n.Permissions, "keys:*") }, api.CodeInvalidRequest, `no permission "keys:*"`},
		"no expiry":      {func(n *core.NewToken) { n.ExpiresAt = time.Time{} }, api.CodeInvalidRequest, "a token must expire"},
		"expired":        {func(n *core.NewToken) { n.ExpiresAt = f.clock.now() }, api.CodeInvalidRequest, "is not in the future"},
		"long expired":   {func(n *core.NewToken) { n.ExpiresAt = time.Unix(-1<<40, 0) }, api.CodeInvalidRequest, "is not in the future"},
		"367 days":       {func(n *core.NewToken) { n.ExpiresAt = f.clock.now().AddDate(0, 0, 367) }, api.CodeInvalidRequest, "more than 366 days"},
		"year 292277026": {func(n *core.NewToken) { n.ExpiresAt = time.Unix(1<<53, 0) }, api.CodeInvalidRequest, "more than 366 days"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := good
			tt.spoil(&in)
			_, err := f.svc.CreateToken(t.Context(), f.owner, "acme", in)
			wantRefusal(t, err, tt.code, tt.text)
		})
	}
	more := good
	more.Permissions = []api.Permission{api.KeysRead, api.KeysReveal}
	_, err := f.svc.CreateToken(t.Context(), viewer, "acme", more)
	f.refused(err, api.CodeForbidden, `the role "viewer" in the organisation "acme" does not have the permission keys:reveal`)
	_, err = f.svc.CreateToken(t.Context(), f.owner, "beta", good)
	f.refused(err, api.CodeOrgNotFound, `"beta"`)
	last := good
	last.Name = "Straße"
	_, err = f.svc.CreateToken(t.Context(), viewer, "acme", last) // the name is the owner's, not theirs
	f.must(err)
	last.Name, last.ExpiresAt = "longest", f.clock.now().Truncate(time.Microsecond).Add(366*24*time.Hour)
	_, err = f.svc.CreateToken(t.Context(), f.owner, "acme", last)
	f.must(err)
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	in := f.ownToken("ci", api.KeysRead)
	f.clock.move(29 * 24 * time.Hour)
	f.as(core.SignedIn{Token: f.token}) // so that its user's session stays
	f.clock.move(2 * 24 * time.Hour)
	f.as(in) // idle for longer than a session of the command line may be
	f.clock.set(in.Session.ExpiresAt.Add(-time.Microsecond))
	f.as(in)
	f.clock.set(in.Session.ExpiresAt)
	f.signedOut(in)
	_, f.owner = f.signIn(f.owner.User)
	f.ownToken("ci", api.KeysRead) // its name is free
}

// TestTokenIsCutWithItsUser: what the user may not do any more, the token may not from the same moment on.
func TestTokenIsCutWithItsUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(core.NewKey{Name: "ci"})
	ada := f.member("ad", api.RoleAdmin)
	in := f.tokenOf(ada, "nightly", api.KeysRead, api.KeysWrite)
	p := f.as(in)
	write := func() error {
		_, err := f.svc.SetKeyEnabled(t.Context(), p, "acme", "ci", true, "")
		return err
	}
	f.must(write())
	_, err := f.svc.SetMemberRole(t.Context(), f.owner, "acme", ada.User.ID, api.RoleViewer)
	f.must(err)
	f.refused(write(), api.CodeForbidden, `the role "viewer" in the organisation "acme" does not have the permission keys:write`)
	_, err = f.svc.Key(t.Context(), p, "acme", "ci")
	f.must(err)
	_, err = f.svc.SetMemberRole(t.Context(), f.owner, "acme", ada.User.ID, api.RoleAdmin)
	f.must(err)
	f.must(write())

	f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", ada.User.ID))
	f.refused(write(), api.CodeOrgNotFound, "acme") // one that was authenticated before
	f.signedOut(in)
	revoked := f.orgEvents(core.ListEvents{Type: "token.revoked"})
	f.equal("told", len(revoked), 1)
	f.equal("by whom", revoked[0].Actor, f.owner.Actor())
	f.equal("why", revoked[0].Data["reason"], "removed from the organisation")
}

// TestTokenWhileItsUserIsRemoved: whichever comes first, afterwards there is no token.
func TestTokenWhileItsUserIsRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c", "d", "e", "g"} {
		p := f.member(name, api.RoleMember)
		var (
			group sync.WaitGroup
			in    core.SignedIn
			made  error
		)
		group.Go(func() {
			in, made = f.svc.CreateToken(t.Context(), p, "acme", core.NewToken{
				Name: "ci", Permissions: []api.Permission{api.KeysRead}, ExpiresAt: f.clock.now().Add(time.Hour),
			})
		})
		group.Go(func() {
			if err := f.svc.RemoveMember(t.Context(), f.owner, "acme", p.User.ID); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		if made != nil {
			f.refused(made, api.CodeOrgNotFound, "acme")
			continue
		}
		f.signedOut(in)
	}
}
