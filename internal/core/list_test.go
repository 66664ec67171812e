package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// names lists all pages, two keys each.
func (f *fixture) names(in core.ListKeys) (names []string) {
	f.Helper()
	in.Limit = 2
	for {
		page, err := f.svc.Keys(f.Context(), f.owner, "acme", in)
		f.must(err)
		for _, k := range page.Keys {
			names = append(names, k.Name)
		}
		if page.NextToken == "" {
			return names
		}
		in.Token = page.NextToken
	}
}

func TestListsAreFilteredAndSorted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := f.clock.now()
	secrets := map[string]secret.Secret{}
	for _, k := range []core.NewKey{
		{Name: "m", Tags: map[string]string{"team": "web", "é": "ﬁ"}},
		{Name: "B", ExpiresAt: now.Add(2 * time.Hour), Tags: map[string]string{"team": "web"}},
		{Name: "a", ExpiresAt: now.Add(time.Hour)},
		{Name: "z"},
		{Name: strings.Repeat("\U0001f511", 64)}, // the longest name makes the longest token
	} {
		_, secrets[k.Name] = f.create(k)
	}
	key := strings.Repeat("\U0001f511", 64)
	f.clock.move(time.Minute)
	for _, name := range []string{"z", "B", "a"} { // not written yet
		f.clock.move(time.Second)
		_, err := f.check(secrets[name])
		f.must(err)
	}
	since := f.clock.now().Add(-time.Second) // when B was used
	for _, tt := range []struct {
		in   core.ListKeys
		want []string
	}{
		{core.ListKeys{}, []string{"m", "B", "a", "z", key}},
		{core.ListKeys{Sort: api.SortCreated}, []string{"m", "B", "a", "z", key}},
		{core.ListKeys{Sort: "-created"}, []string{key, "z", "a", "B", "m"}},
		{core.ListKeys{Sort: api.SortName}, []string{"a", "B", "m", "z", key}},
		{core.ListKeys{Sort: "-name"}, []string{key, "z", "m", "B", "a"}},
		{core.ListKeys{Sort: api.SortLastUsed}, []string{"m", key, "z", "B", "a"}},
		{core.ListKeys{Sort: "-last_used"}, []string{"a", "B", "z", key, "m"}},
		{core.ListKeys{Sort: api.SortExpires}, []string{"a", "B", "m", "z", key}},
		{core.ListKeys{Sort: "-expires"}, []string{key, "z", "m", "B", "a"}},
		{core.ListKeys{NeverUsed: true}, []string{"m", key}},
		{core.ListKeys{UnusedSince: since}, []string{"m", "z", key}},
		{core.ListKeys{UnusedSince: since, Sort: "-name"}, []string{key, "z", "m"}},
		{core.ListKeys{ExpiresBefore: now.Add(2 * time.Hour)}, []string{"a"}},
		{core.ListKeys{Tags: []string{"team=web"}}, []string{"m", "B"}},
		{core.ListKeys{Tags: []string{"team=web", "e\u0301=ﬁ", "team=web"}}, []string{"m"}},
		{core.ListKeys{Tags: []string{"team=web"}, Sort: api.SortName, Status: api.StatusEnabled}, []string{"B", "m"}},
		{core.ListKeys{Tags: []string{"team=="}}, nil},
	} {
		f.equal("names", f.names(tt.in), tt.want)
	}
	f.clock.move(90 * time.Minute)
	f.equal("expired", f.names(core.ListKeys{Status: api.StatusExpired, Sort: "-expires"}), []string{"a"})
	f.equal("will have expired", f.names(core.ListKeys{ExpiresBefore: f.clock.now().Add(time.Hour), Sort: "-expires"}), []string{"B", "a"})
}

// TestListsSeeUseThatIsNotWritten uses a key before each list that asks for use.
func TestListsSeeUseThatIsNotWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, in := range []core.ListKeys{{NeverUsed: true}, {UnusedSince: f.clock.now()}, {Sort: "-last_used", Limit: 1}} {
		k, sec := f.create(core.NewKey{Name: string(rune('a' + i))})
		f.clock.move(time.Second)
		_, err := f.check(sec)
		f.must(err)
		page, err := f.svc.Keys(t.Context(), f.owner, "acme", in)
		f.must(err)
		if in.Sort == "" {
			f.equal("unused keys", len(page.Keys), 0)
			continue
		}
		f.equal("used last", page.Keys[0].ID, k.ID)
	}
}

// TestATokenIsOfOneOrg: the token of one organisation's list opens no place in another's.
func TestATokenIsOfOneOrg(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, bo, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"})
	f.must(err)
	_, p := f.signIn(bo)
	for _, name := range []string{"a", "b"} {
		f.create(core.NewKey{Name: name})
	}
	page, err := f.svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{Limit: 1})
	f.must(err)
	_, err = f.svc.Keys(t.Context(), p, "beta", core.ListKeys{Token: page.NextToken})
	f.refused(err, api.CodeInvalidRequest, "the page token is not one")
	again, err := f.svc.Keys(t.Context(), f.owner, f.org.ID, core.ListKeys{Limit: 5, Token: page.NextToken})
	f.must(err)
	f.equal("by id, with another limit", again.Keys[0].Name, "b")
	events, err := f.svc.Events(t.Context(), f.owner, "acme", core.ListEvents{Limit: 1})
	f.must(err)
	_, err = f.svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{Token: events.NextToken})
	f.refused(err, api.CodeInvalidRequest, "the page token is not one")
}
