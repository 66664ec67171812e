package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestKeyLife(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.now().Truncate(time.Microsecond)
	expires := start.Add(time.Hour)
	k, sec := f.create(core.NewKey{Name: "ci", Tags: map[string]string{"env": "prod"}, ExpiresAt: expires})
	f.equal("created", k, core.Key{
		ID: k.ID, OrgID: f.org.ID, Name: "ci", Status: api.StatusEnabled, CreatedAt: start, CreatedBy: f.owner.Actor(), UpdatedAt: start,
		ExpiresAt: expires, Tags: map[string]string{"env": "prod"}, Recoverable: true, Revision: 1,
		Secrets: []core.SecretVersion{{Version: 1, Hint: sec.Hint(), State: api.SecretCurrent, CreatedAt: start}},
	})
	f.equal("hint", k.Hint(), sec.Hint())
	f.equal("read", f.get("CI"), k)

	f.clock.move(time.Minute)
	name, tags, never := "deploy", map[string]string{"env": "test"}, time.Time{}
	updated, err := f.svc.UpdateKey(t.Context(), f.owner, f.org.ID, "ci", core.KeyPatch{Name: &name, Tags: &tags, ExpiresAt: &never}, 1)
	f.must(err)
	k.Name, k.Tags, k.ExpiresAt, k.Revision, k.UpdatedAt = name, tags, never, 2, start.Add(time.Minute)
	f.equal("updated", updated, k)
	f.equal("read", f.get("deploy"), k)
	_, err = f.svc.Key(t.Context(), f.owner, "acme", "ci")
	f.refused(err, api.CodeKeyNotFound, `the organisation has no key "ci"`)

	f.clock.move(time.Minute)
	for range 2 {
		off, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", k.ID, false, "")
		f.must(err)
		k.Status, k.Revision, k.UpdatedAt = api.StatusDisabled, 3, start.Add(2*time.Minute)
		f.equal("disabled", off, k)
	}
	same, err := f.svc.UpdateKey(t.Context(), f.owner, "acme", k.ID, core.KeyPatch{Name: &name, Tags: &tags, ExpiresAt: &never}, 3)
	f.must(err)
	f.equal("nothing to change", same, k)
	on, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", k.ID, true, "")
	f.must(err)
	k.Status, k.Revision = api.StatusEnabled, 4
	f.equal("enabled", on, k)

	revealed, again, err := f.svc.RevealKey(t.Context(), f.owner, "acme", "deploy")
	f.must(err)
	f.equal("revealed", revealed, k)
	f.equal("secret", again.Reveal(), sec.Reveal())

	f.equal("events", f.events(k.ID), []string{"key.revealed", "key.enabled", "key.disabled", "key.updated", "key.renamed", "key.created"})
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "deploy", core.DeleteKey{IfRevision: 4}))
	for _, ref := range []string{"deploy", k.ID} {
		err := f.svc.DeleteKey(t.Context(), f.owner, "acme", ref, core.DeleteKey{AcknowledgeRecentUse: true})
		f.refused(err, api.CodeKeyNotFound, "the organisation has no key")
	}
	reborn, _ := f.create(core.NewKey{Name: "deploy"})
	if reborn.ID == k.ID {
		t.Error("an id came back")
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	caller, err := f.check(sec)
	f.must(err)
	name := "cd"
	_, err = f.svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{Name: &name}, 0)
	f.must(err)
	got, events, err := f.svc.KeyActivity(t.Context(), caller, "", 0)
	f.must(err)
	f.equal("the calling key", got.ID, k.ID)
	at := f.clock.now().Truncate(time.Microsecond)
	f.equal("events", events, []core.Event{
		{ID: events[0].ID, At: at, Type: "key.renamed", OrgID: f.org.ID, KeyID: k.ID, Actor: f.owner.Actor(), Data: map[string]string{"from": "ci", "to": "cd"}},
		{ID: events[1].ID, At: at, Type: "key.created", OrgID: f.org.ID, KeyID: k.ID, Actor: f.owner.Actor(), Data: map[string]string{"name": "ci", "hint": sec.Hint()}},
	})
	_, one, err := f.svc.KeyActivity(t.Context(), caller, "CD", 1)
	f.must(err)
	f.equal("the newest", one, events[:1])
	for _, limit := range []int{-1, 101} {
		_, _, err := f.svc.KeyActivity(t.Context(), caller, "", limit)
		f.refused(err, api.CodeInvalidRequest, "is not from 1 to 100")
	}
	_, _, err = f.svc.KeyActivity(t.Context(), caller, "none", 1)
	f.refused(err, api.CodeKeyNotFound, `"none"`)
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, _ := f.create(core.NewKey{Name: "ci"})
	name := "cd"
	for _, revision := range []int64{2, -1} {
		_, err := f.svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{Name: &name}, revision)
		f.refused(err, api.CodePreconditionFailed, "changed in between")
		f.refused(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{IfRevision: revision}), api.CodePreconditionFailed, "changed in between")
	}
	f.equal("untouched", f.get("ci"), k)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := f.clock.now()
	for text, at := range map[string]time.Time{
		"is not in the future: it is 2031-02-03T04:05:06Z now": now,
		"the expiry 2031-02-03T04:05:05Z is not":               now.Add(-time.Second),
		"the expiry 1970-01-01T00:00:00Z is not":               time.Unix(0, 0),
		"is in the year 2200: it must be before the year 2200": time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
		"is in the year 292277022658":                          time.Unix(1<<63-1-62135596800-62135596800, 0),
		"is not in the future":                                 time.Unix(-1<<62, 0),
	} {
		_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: "ci", ExpiresAt: at})
		f.refused(err, api.CodeInvalidRequest, text)
	}
	last := time.Date(2199, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", 0))
	k, _ := f.create(core.NewKey{Name: "ci", ExpiresAt: last})
	f.equal("in microseconds", f.get("ci").ExpiresAt, last.Truncate(time.Microsecond).UTC())
	past := now.Add(-time.Hour)
	_, err := f.svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{ExpiresAt: &past}, 0)
	f.refused(err, api.CodeInvalidRequest, "is not in the future")
	f.equal("untouched", f.get("ci"), k)
}

func TestReferences(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	for name, tt := range map[string]struct {
		ref, text string
		code      api.Code
	}{
		"empty":           {"", `no key ""`, api.CodeKeyNotFound},
		"unknown name":    {"cd", `no key "cd"`, api.CodeKeyNotFound},
		"unknown id":      {"key_" + strings.Repeat("0", 26), "no key", api.CodeKeyNotFound},
		"pattern":         {"c%", `no key "c%"`, api.CodeKeyNotFound},
		"control":         {"ci\x1b[2J", `no key "ci\x1b[2J"`, api.CodeKeyNotFound},
		"bad UTF-8":       {"ci\xff", `no key "ci\xff"`, api.CodeKeyNotFound},
		"1 MiB":           {strings.Repeat("é", 1<<19), "no key", api.CodeKeyNotFound},
		"a secret":        {sec.Reveal(), "not by its secret", api.CodeInvalidRequest},
		"a spaced secret": {" " + sec.Reveal(), "not by its secret", api.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.svc.Key(t.Context(), f.owner, "acme", tt.ref)
			wantRefusal(t, err, tt.code, tt.text)
			if len(err.Error()) > 300 || strings.Contains(err.Error(), sec.Reveal()) {
				t.Errorf("error %q", err.Error())
			}
		})
	}
}

// calls are all methods on an organisation's keys, with the permission that each needs.
func calls(f *fixture, p core.Principal, org, key string, sec secret.Secret) map[api.Permission][]error {
	ctx, name := f.Context(), "other"
	_, e1 := f.svc.Keys(ctx, p, org, core.ListKeys{})
	_, e2 := f.svc.Key(ctx, p, org, key)
	_, e3 := f.svc.ActiveKey(ctx, p, org)
	_, _, _, e4 := f.svc.CreateKey(ctx, p, org, core.NewKey{Name: "new of " + p.User.Name})
	_, e5 := f.svc.UpdateKey(ctx, p, org, key, core.KeyPatch{Name: &name}, 0)
	_, e6 := f.svc.SetKeyEnabled(ctx, p, org, key, true, "")
	_, _, e7 := f.svc.RevealKey(ctx, p, org, key)
	_, e9 := f.svc.KeyUsage(ctx, p, org, key)
	_, _, e10 := f.svc.Lookup(ctx, p, org, sec.Reveal())
	_, e11 := f.svc.Events(ctx, p, org, core.ListEvents{})
	e8 := f.svc.DeleteKey(ctx, p, org, key, core.DeleteKey{AcknowledgeRecentUse: true})
	return map[api.Permission][]error{api.KeysRead: {e1, e2, e3, e9, e10}, api.KeysWrite: {e4, e5, e6, e8}, api.KeysReveal: {e7}, api.EventsRead: {e11}}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, role := range []api.Role{api.RoleOwner, api.RoleAdmin, api.RoleMember, api.RoleViewer, "unheard of"} {
		k, sec := f.create(core.NewKey{Name: "for " + string(role)})
		user := store.User{ID: "usr_" + string(role), Name: string(role), CreatedAt: f.clock.now()}
		f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
			if err := tx.AddUser(user); err != nil {
				return err
			}
			return tx.AddMembership(store.Membership{OrgID: f.org.ID, UserID: user.ID, Role: string(role), CreatedAt: f.clock.now()})
		}))
		_, p := f.signIn(core.User{ID: user.ID})
		for permission, errs := range calls(f, p, "acme", k.ID, sec) {
			for i, err := range errs {
				if role.May(permission) {
					if err != nil {
						t.Errorf("%s may %s, yet call %d was refused: %v", role, permission, i, err)
					}
					continue
				}
				f.refused(err, api.CodeForbidden, string(permission))
			}
		}
	}
}

// TestOrgsAreApart: whoever is in another organisation meets the same answer as for one that does not exist.
func TestOrgsAreApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	beta, bo, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"})
	f.must(err)
	_, p := f.signIn(bo)
	for _, org := range []string{"acme", f.org.ID, "none", "org_" + strings.Repeat("0", 26), "", "ACME", "a\x00b"} {
		for _, errs := range calls(f, p, org, k.ID, sec) {
			for _, err := range errs {
				f.refused(err, api.CodeOrgNotFound, "you are in no organisation")
			}
		}
	}
	_, err = f.svc.Key(t.Context(), p, "beta", k.ID)
	f.refused(err, api.CodeKeyNotFound, k.ID)
	_, _, err = f.svc.KeyActivity(t.Context(), core.Caller{Org: beta}, k.ID, 1)
	f.refused(err, api.CodeKeyNotFound, k.ID)
	f.equal("untouched", f.get("ci"), k)
	_, _, _, err = f.svc.CreateKey(t.Context(), p, "beta", core.NewKey{Name: "ci"})
	f.must(err)

	ms, err := f.svc.Memberships(t.Context(), p)
	f.must(err)
	f.equal("memberships", ms, []core.Membership{{Org: beta, Role: api.RoleOwner}})
	_, err = f.svc.Key(t.Context(), p, sec.Reveal(), "ci")
	f.refused(err, api.CodeOrgNotFound, "no organisation (a secret)")
}

func TestNotRecoverable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		org, err := tx.Org(f.org.ID)
		if err != nil {
			return err
		}
		org.ID, org.Slug, org.Recoverable = "org_strict", "strict", false
		if err := tx.AddOrg(org); err != nil {
			return err
		}
		return tx.AddMembership(store.Membership{OrgID: org.ID, UserID: f.owner.User.ID, Role: string(api.RoleOwner), CreatedAt: f.clock.now()})
	}))
	k, sec, _, err := f.svc.CreateKey(t.Context(), f.owner, "strict", core.NewKey{Name: "ci"})
	f.must(err)
	if k.Recoverable {
		t.Error("the key says that it is recoverable")
	}
	_, err = f.check(sec)
	f.must(err)
	_, _, err = f.svc.RevealKey(t.Context(), f.owner, "strict", "ci")
	f.refused(err, api.CodeNotRecoverable, `the secret of the key "ci" was not kept`)
	_, err = f.svc.ActiveKey(t.Context(), f.owner, "strict")
	f.refused(err, api.CodeNoActiveKey, `"strict"`)
}
