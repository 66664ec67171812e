package core_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// usePlace is where somebody decides by when a key was used. Two keys are there, "ci", which was used once, and "idle", the newer.
type usePlace struct {
	name string
	// before makes "ci" and returns the secret that is used. nil: a key is made, and nothing else.
	before func(*turn) secret.Secret
	decide func(r *turn, at time.Time)
}

func usePlaces() []usePlace {
	return slices.Concat(useReads(), useLists(), useGuards(), useRotations())
}

func useReads() []usePlace {
	last := func(read func(r *turn) (core.Key, error)) func(*turn, time.Time) {
		return func(r *turn, at time.Time) {
			k, err := read(r)
			r.must(err)
			r.equal("last use", []time.Time{k.LastUsedAt, k.Secrets[0].LastUsedAt}, []time.Time{at, at})
		}
	}
	return []usePlace{
		{name: "keys show", decide: last(func(r *turn) (core.Key, error) { return r.get("ci"), nil })},
		{name: "keys find", decide: last(func(r *turn) (core.Key, error) {
			k, v, err := r.svc.Lookup(r.Context(), r.owner, "acme", r.old.Reveal())
			r.equal("the secret's last use", v.LastUsedAt, k.LastUsedAt)
			return k, err
		})},
		{name: "activity", decide: last(func(r *turn) (core.Key, error) {
			k, _, err := r.svc.KeyActivity(r.Context(), r.caller(), "ci", 0)
			return k, err
		})},
		{name: "dry runs and keys show --usage", decide: func(r *turn, at time.Time) {
			for ref, want := range map[string]core.Usage{"idle": {}, "ci": {
				LastUsedAt: at, Calls1h: 1, Calls24h: 1, Hours: []core.HourUse{{Start: at.Truncate(time.Hour), Calls: 1}},
				Callers: []core.CallerUse{{AddressPrefix: "192.0.2.0/24", Agent: "test", LastUsedAt: at}},
			}} {
				got, err := r.svc.KeyUsage(r.Context(), r.owner, "acme", ref)
				r.must(err)
				r.equal(ref, got, want)
			}
		}},
		{name: "active key", decide: func(r *turn, _ time.Time) {
			k, err := r.svc.ActiveKey(r.Context(), r.owner, "acme")
			r.must(err)
			r.equal("active key", k, r.get("ci"))
		}},
	}
}

func useLists() []usePlace {
	lists := func(name string, in func(at time.Time) core.ListKeys, want ...string) usePlace {
		return usePlace{name: name, decide: func(r *turn, at time.Time) {
			in := in(at)
			if in.Limit == 0 {
				in.Limit = 1000
			}
			page, err := r.svc.Keys(r.Context(), r.owner, "acme", in)
			r.must(err)
			r.equal("people's list", namesBut(page.Keys), want)
			page, err = r.svc.CallerKeys(r.Context(), r.caller(), in)
			r.must(err)
			r.equal("keys' list", namesBut(page.Keys), want)
		}}
	}
	return []usePlace{
		lists("never used", func(time.Time) core.ListKeys { return core.ListKeys{NeverUsed: true} }, "idle"),
		lists("never used, enabled, by name", func(time.Time) core.ListKeys {
			return core.ListKeys{NeverUsed: true, Status: api.StatusEnabled, Sort: api.SortName}
		}, "idle"),
		lists("unused since it", func(at time.Time) core.ListKeys { return core.ListKeys{UnusedSince: at, Tags: []string{"shown=1"}} }, "idle"),
		lists("unused since just after it", func(at time.Time) core.ListKeys {
			return core.ListKeys{UnusedSince: at.Add(time.Microsecond), Tags: []string{"shown=1"}}
		}, "ci", "idle"),
		lists("latest use first", func(time.Time) core.ListKeys { return core.ListKeys{Sort: "-" + api.SortLastUsed, Limit: 1} }, "ci"),
		lists("unused first", func(time.Time) core.ListKeys { return core.ListKeys{Sort: api.SortLastUsed, Limit: 1} }, "idle"),
	}
}

// namesBut leaves out the keys that are only there so that there are many.
func namesBut(keys []core.Key) (names []string) {
	for _, k := range keys {
		if !strings.HasPrefix(k.Name, "filler") {
			names = append(names, k.Name)
		}
	}
	return names
}

func useGuards() []usePlace {
	return []usePlace{{name: "keys delete", decide: func(r *turn, at time.Time) {
		err := r.svc.DeleteKey(r.Context(), r.owner, "acme", "ci", core.DeleteKey{})
		r.refused(err, api.CodeKeyRecentlyUsed, at.Format(time.RFC3339))
		var refusal *core.Error
		if !errors.As(err, &refusal) || !refusal.LastUsedAt.Equal(at) || refusal.Calls24h != 1 {
			r.Errorf("got %+v", refusal)
		}
		r.must(r.svc.DeleteKey(r.Context(), r.owner, "acme", "idle", core.DeleteKey{}))
	}}}
}

func useRotations() []usePlace {
	opened := func(r *turn) secret.Secret {
		f := r.fixture
		*r = *f.turn()
		return r.new
	}
	promoted := func(in core.Promotion) func(r *turn) secret.Secret {
		return func(r *turn) secret.Secret {
			f := r.fixture
			*r = *f.turn()
			r.step(api.RotationMinted)(r.deliver("a"))
			r.step(api.RotationDelivered)(r.deliver("b"))
			r.opens(r.new, true)
			r.step(api.RotationProven)(r.prove())
			want := api.RotationPromoted
			if in.OnFirstUse {
				want = api.RotationProven
			}
			r.step(want)(r.promoteWith(in))
			if in.OnFirstUse {
				return r.new
			}
			return r.old
		}
	}
	const hour = time.Hour
	return []usePlace{
		{name: "prove", before: opened, decide: func(r *turn, _ time.Time) {
			r.step(api.RotationMinted)(r.deliver("a"))
			r.step(api.RotationDelivered)(r.deliver("b"))
			r.step(api.RotationProven)(r.prove())
		}},
		{name: "cancel", before: opened, decide: func(r *turn, at time.Time) {
			_, err := r.cancel(false)
			r.refused(err, api.CodeRotationUsed, at.Format(time.RFC3339))
		}},
		{name: "given up", before: opened, decide: func(r *turn, at time.Time) {
			r.clock.set(at.Add(24 * hour))
			r.equal("after a day", r.settle(), api.RotationNeedsAttention)
		}},
		{name: "first use", before: promoted(core.Promotion{Grace: hour, OnFirstUse: true}), decide: func(r *turn, _ time.Time) {
			r.step(api.RotationPromoted)(r.promoteWith(core.Promotion{Grace: hour, OnFirstUse: true}))
		}},
		{name: "silence", before: promoted(core.Promotion{Grace: 5 * hour, Quiet: hour}), decide: func(r *turn, at time.Time) {
			r.clock.set(at.Add(hour - time.Microsecond))
			r.equal("not quiet for long enough", r.settle(), api.RotationPromoted)
			r.clock.set(at.Add(hour))
			r.equal("quiet", r.settle(), api.RotationRetired)
		}},
		{name: "use at the end", before: promoted(core.Promotion{Grace: hour, OnUse: api.OnUseFail}), decide: func(r *turn, at time.Time) {
			r.clock.set(at.Add(hour))
			r.equal("used", r.settle(), api.RotationNeedsAttention)
		}},
		{name: "use that extends", before: promoted(core.Promotion{Grace: hour, OnUse: api.OnUseExtend}), decide: func(r *turn, at time.Time) {
			r.clock.set(at.Add(hour))
			r.equal("used", r.settle(), api.RotationPromoted)
		}},
	}
}

func (f *fixture) caller() core.Caller { return core.Caller{Org: f.org, KeyID: f.get("idle").ID} }

// addFillers adds keys without a secret that anybody has, past the service.
func (f *fixture) addFillers(n int) (ids []string) {
	f.Helper()
	f.must(f.store.Update(f.Context(), func(tx store.Tx) error {
		for i := range n { // none is 0, which stands for no key
			id := fmt.Sprintf("key_%026d", i+1)
			at := time.Unix(1e9, 0)
			row := store.Key{ID: id, OrgID: f.org.ID, Name: "filler" + id, FoldedName: "filler" + id, Revision: 1, CreatedAt: at, UpdatedAt: at}
			sec := store.NewSecret{KeyID: id, Version: 1, State: store.StateCurrent, CreatedAt: at}
			copy(sec.Digest[:], id)
			if err := tx.AddKey(row, sec); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	}))
	return ids
}

// TestUseWhereItCounts: whatever people and programs decide by, it is told of use that is in memory alone, in the journal, and in
// the keys' rows.
func TestUseWhereItCounts(t *testing.T) {
	t.Parallel()
	states := map[string]struct {
		fillers, journalled int
		written             bool
	}{
		"in memory":      {},
		"in the journal": {fillers: core.JournalFromForTest, journalled: core.JournalFromForTest + 1},
		"in rows":        {written: true},
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if underRace && state.fillers > 0 {
				t.Skip("so many keys take the race detector minutes, and what moves their use is one goroutine")
			}
			f := newFixture(t)
			core.HaltUseForTest(f.svc)
			fillers := f.addFillers(state.fillers)
			for i, place := range usePlaces() {
				f.clock.set(time.Date(2032, 1, 1+3*i, 4, 5, 6, 789_012_345, time.UTC))
				f.stageUse(place, fillers, state.journalled, name != "in memory", state.written)
			}
		})
	}
}

func (f *fixture) stageUse(place usePlace, fillers []string, journalled int, flushes, written bool) {
	f.Helper()
	f.must(core.FlushUseForTest(f.Context(), f.svc))
	f.must(core.FoldUseForTest(f.Context(), f.svc))
	r := &turn{fixture: f}
	var used secret.Secret
	if place.before != nil {
		used = place.before(r)
	} else {
		_, used = f.create(core.NewKey{Name: "ci", Tags: map[string]string{"shown": "1"}})
		r.old = used
	}
	f.clock.move(time.Second)
	f.create(core.NewKey{Name: "idle", Tags: map[string]string{"shown": "1"}})
	f.must(core.FlushUseForTest(f.Context(), f.svc)) // what a rotation used before
	f.clock.move(10 * time.Minute)
	at := f.clock.now().Truncate(time.Microsecond)
	core.RecordUseForTest(f.svc, fillers, at.Add(-time.Minute))
	f.opens(used, true)
	if flushes {
		f.must(core.FlushUseForTest(f.Context(), f.svc))
	}
	f.equal(place.name+": journalled", core.JournalledForTest(f.svc), journalled)
	f.equal(place.name+": written", f.writtenAt(at), written)
	place.decide(r, at)
	if f.Failed() {
		f.Fatalf("it was %s", place.name)
	}
	for _, ref := range []string{"ci", "idle"} {
		err := f.svc.DeleteKey(f.Context(), f.owner, "acme", ref, core.DeleteKey{AcknowledgeRecentUse: true})
		if err != nil && !strings.Contains(err.Error(), "no key") {
			f.Fatal(err)
		}
	}
}

// writtenAt says whether the rows of "ci" know of the use.
func (f *fixture) writtenAt(at time.Time) (written bool) {
	f.Helper()
	ci := f.get("ci")
	f.must(f.store.View(f.Context(), func(tx store.Tx) error {
		row, err := tx.Key(f.org.ID, ci.ID)
		written = row.LastUsedAt.Equal(at)
		return err
	}))
	return written
}

// TestUnusedAmongManyInUse: of keys whose use the store does not know yet a list of unused ones has none, however many there are, and no
// page is empty but the last: clients take that for a list without end.
func TestUnusedAmongManyInUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	core.HaltUseForTest(f.svc)
	ids := f.addFillers(40)
	for _, limit := range []int{1, 2, 3, 100} {
		f.clock.move(time.Hour)
		at := f.instant()
		core.RecordUseForTest(f.svc, slices.Concat(ids[:5], ids[6:38], ids[39:]), at)
		var got []string
		in := core.ListKeys{UnusedSince: at, Limit: limit}
		for {
			page, err := f.svc.Keys(t.Context(), f.owner, "acme", in)
			f.must(err)
			if len(page.Keys) == 0 && page.NextToken != "" {
				t.Fatal("a page is empty, and not the last")
			}
			for _, k := range page.Keys {
				got = append(got, k.ID)
			}
			if in.Token = page.NextToken; in.Token == "" {
				break
			}
		}
		f.equal("unused", got, []string{ids[5], ids[38]})
	}
	core.RecordUseForTest(f.svc, ids, f.instant())
	page, err := f.svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{NeverUsed: true, Limit: 1})
	f.must(err)
	f.equal("never used", page, core.KeyPage{Keys: []core.Key{}})
}
