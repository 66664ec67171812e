package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// list reads all pages of a list.
func (f *fixture) list(org string, q store.KeyFilter) (keys []store.Key) {
	f.Helper()
	q.Now = at(0)
	for {
		var page []store.Key
		f.view(func(tx store.Tx) (err error) {
			page, err = tx.Keys(org, q)
			return err
		})
		if len(page) > q.Limit {
			f.Fatalf("a page of %d holds %d", q.Limit, len(page))
		}
		if len(page) == 0 {
			return keys
		}
		keys = append(keys, page...)
		q.After = page[len(page)-1].Position(q.Sort)
	}
}

func names(keys []store.Key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Name
	}
	return out
}

func testPages(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	var want []store.Key
	for i := range 25 {
		want = append(want, f.key(acme.ID, string(rune('z'-i))))
		f.key(beta.ID, string(rune('z'-i)))
	}
	for _, limit := range []int{1, 7, 25, 1001} {
		f.equal("all pages", f.list(acme.ID, store.KeyFilter{Limit: limit}), want)
	}
}

// testOrders has keys of equal use and expiry, of none, and the greatest and least of names.
func testOrders(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	gone := f.key(acme.ID, "gone")
	f.update(func(tx store.Tx) error { return tx.DeleteKey(gone, at(1)) })
	f.key(beta.ID, "foreign")
	add := func(name string, expires time.Time, used int) {
		k, s := f.newKey(acme.ID, name)
		k.ExpiresAt = expires
		f.update(func(tx store.Tx) error {
			if err := tx.AddKey(k, s); err != nil || used == 0 {
				return err
			}
			return tx.RecordUses(lastUse(k.ID, used))
		})
	}
	never := time.Time{}
	add("m", never, 50)
	add("\U0001f511", at(200), 0)
	add("a", at(100), 50)
	add("b%", never, 0)
	add("é", at(200), 10)
	add("b", at(300), 60)
	for sort, want := range map[store.KeySort][]string{
		store.ByID:      {"m", "\U0001f511", "a", "b%", "é", "b"},
		store.ByName:    {"a", "b", "b%", "m", "é", "\U0001f511"},
		store.ByLastUse: {"\U0001f511", "b%", "é", "m", "a", "b"},
		store.ByExpiry:  {"a", "\U0001f511", "é", "b", "m", "b%"},
	} {
		back := slices.Clone(want)
		slices.Reverse(back)
		for _, limit := range []int{1, 2, 3, 100} {
			f.equal("upwards", names(f.list(acme.ID, store.KeyFilter{Limit: limit, Sort: sort})), want)
			f.equal("downwards", names(f.list(acme.ID, store.KeyFilter{Limit: limit, Sort: sort, Descending: true})), back)
		}
	}
}

func testFilters(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	add := func(org, name string, tags map[string]string, expires time.Time, used int, disabled bool) {
		k, s := f.newKey(org, name)
		k.Tags, k.ExpiresAt, k.Disabled = tags, expires, disabled
		f.update(func(tx store.Tx) error {
			if err := tx.AddKey(k, s); err != nil || used == 0 {
				return err
			}
			return tx.RecordUses(lastUse(k.ID, used))
		})
	}
	web := map[string]string{"team": "web"}
	add(acme.ID, "a", web, time.Time{}, 0, false)
	add(acme.ID, "b", map[string]string{"team": "web", "env": `p"=<'é`}, at(100), 50, true)
	add(acme.ID, "c", map[string]string{"team": "ops", "a=b": "c", "a": "b=c"}, at(200), 60, false)
	add(acme.ID, "d", map[string]string{"env": `p"=<'é`, "team": ""}, time.Time{}, 70, true)
	add(acme.ID, "e", nil, at(150), 0, true)
	add(beta.ID, "f", web, time.Time{}, 0, false)
	for _, tt := range []struct {
		filter store.KeyFilter
		want   []string
	}{
		{store.KeyFilter{}, []string{"a", "b", "c", "d", "e"}},
		{store.KeyFilter{Tags: []string{"team=web"}}, []string{"a", "b"}},
		{store.KeyFilter{Tags: []string{`env=p"=<'é`}}, []string{"b", "d"}},
		{store.KeyFilter{Tags: []string{`env=p"=<'é`, "team=web"}}, []string{"b"}},
		{store.KeyFilter{Tags: []string{"team="}}, []string{"d"}},
		{store.KeyFilter{Tags: []string{"a=b=c"}}, []string{"c"}},
		{store.KeyFilter{Tags: []string{"team=we"}}, nil},
		{store.KeyFilter{Tags: []string{"TEAM=web"}}, nil},
		{store.KeyFilter{Tags: []string{"team=web"}, Status: store.Enabled}, []string{"a"}},
		{store.KeyFilter{NeverUsed: true}, []string{"a", "e"}},
		{store.KeyFilter{NeverUsed: true, Status: store.Disabled}, []string{"e"}},
		{store.KeyFilter{NeverUsed: true, Tags: []string{"team=web"}}, []string{"a"}},
		{store.KeyFilter{UnusedSince: at(60)}, []string{"a", "b", "e"}},
		{store.KeyFilter{UnusedSince: at(60).Add(time.Microsecond)}, []string{"a", "b", "c", "e"}},
		{store.KeyFilter{UnusedSince: at(60), NeverUsed: true, ExpiresBefore: at(160)}, []string{"e"}},
		{store.KeyFilter{ExpiresBefore: at(150)}, []string{"b"}},
		{store.KeyFilter{ExpiresBefore: at(201)}, []string{"b", "c", "e"}},
		{store.KeyFilter{ExpiresBefore: at(201), Status: store.Disabled}, []string{"b", "e"}},
	} {
		for _, sort := range []store.KeySort{store.ByID, store.ByName, store.ByLastUse, store.ByExpiry} {
			for _, descending := range []bool{false, true} {
				for _, limit := range []int{1, 2, 10} {
					q := tt.filter
					q.Sort, q.Descending, q.Limit = sort, descending, limit
					got := names(f.list(acme.ID, q))
					if sort == store.ByID && descending {
						slices.Reverse(got)
					}
					if sort != store.ByID {
						slices.Sort(got)
					}
					f.equal("keys", got, tt.want)
				}
			}
		}
	}
}

func testTagsFollow(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	found := func(tag string) int {
		return len(f.list(acme.ID, store.KeyFilter{Limit: 10, Tags: []string{tag}}))
	}
	f.equal("as added", []int{found(`team=a"b`), found("<=")}, []int{1, 1})
	k.Tags = map[string]string{"<": "", "new": "x"}
	f.update(func(tx store.Tx) error { return tx.UpdateKey(k) })
	f.equal("as updated", []int{found(`team=a"b`), found("<="), found("new=x")}, []int{0, 1, 1})
	k.Revision = 2
	f.update(func(tx store.Tx) error { return tx.DeleteKey(k, at(9)) })
	f.equal("deleted", found("new=x"), 0)
}
