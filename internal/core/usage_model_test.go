package core

import (
	order "cmp"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
)

// useModel is a store with keys, their use as it must be, and a tracker that is crashed and opened again.
type useModel struct {
	testing.TB
	st   store.Store
	u    *usage
	rand *rand.Rand
	ids  []string
	now  time.Time

	fresh, sure map[string]*modelUse // by id: what a crash loses, and what it must not
	agents      []Origin
}

type modelUse struct {
	calls map[int64]int64 // by minute
	last  map[int]time.Time
	by    map[Origin]time.Time
}

func newModel(tb testing.TB, seed uint64, keys int) *useModel {
	tb.Helper()
	st := dbtest.New(tb).Open(tb)
	m := &useModel{
		TB: tb, st: st, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC),
		fresh: map[string]*modelUse{}, sure: map[string]*modelUse{}, agents: []Origin{
			{}, {AddressPrefix: "192.0.2.0/24", Agent: "a"}, {AddressPrefix: "192.0.2.0/24", Agent: "b"}, {Agent: "c"},
		},
	}
	tb.Cleanup(func() {
		if m.u != nil {
			m.crash()
		}
	})
	m.ids = addUseKeys(tb, st, keys)
	m.open()
	return m
}

// addUseKeys adds an org with that many keys.
func addUseKeys(tb testing.TB, st store.Store, n int) []string {
	tb.Helper()
	ids := make([]string, n)
	err := st.Update(tb.Context(), func(tx store.Tx) error {
		return tx.AddOrg(store.Org{ID: "org_1", Slug: "acme", Name: "Acme", DataKey: []byte{1}})
	})
	for from := 0; from < n && err == nil; from += 5000 {
		err = st.Update(tb.Context(), func(tx store.Tx) error {
			for i := from; i < min(n, from+5000); i++ {
				id, err := newID(keyPrefix)
				if err != nil {
					return err
				}
				ids[i] = id
				k := store.Key{ID: id, OrgID: "org_1", Name: id, FoldedName: id, Revision: 1, CreatedAt: time.Unix(1e9, 0), UpdatedAt: time.Unix(1e9, 0)}
				sec := store.NewSecret{KeyID: id, Version: 1, State: store.StateCurrent, CreatedAt: time.Unix(1e9, 0)}
				copy(sec.Digest[:], id[len(id)-26:])
				if err := tx.AddKey(k, sec); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

func (m *useModel) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *useModel) open() {
	m.Helper()
	u, err := newUsage(m.st, slog.New(slog.DiscardHandler), func() time.Time { return m.now }, false, true, nil)
	m.must(err)
	u.halt()
	m.u = u
}

// crash loses what is in memory.
func (m *useModel) crash() { m.u, m.fresh = nil, map[string]*modelUse{} }

func (m *useModel) record(n int) {
	for range n {
		id, from := m.ids[m.rand.IntN(len(m.ids))], m.agents[m.rand.IntN(len(m.agents))]
		m.now = m.now.Add(time.Duration(m.rand.IntN(2000)) * time.Microsecond)
		m.u.record(id, 1, m.now, from)
		if m.fresh[id] == nil {
			m.fresh[id] = &modelUse{map[int64]int64{}, map[int]time.Time{}, map[Origin]time.Time{}}
		}
		f := m.fresh[id]
		f.calls[minuteOf(m.now)]++
		f.last[1], f.by[from] = m.now, m.now
	}
}

// flushed makes what was recorded sure.
func (m *useModel) flushed() {
	for id, f := range m.fresh {
		if m.sure[id] == nil {
			m.sure[id] = &modelUse{map[int64]int64{}, map[int]time.Time{}, map[Origin]time.Time{}}
		}
		addModel(m.sure[id], f)
	}
	m.fresh = map[string]*modelUse{}
}

func addModel(to, from *modelUse) {
	for minute, n := range from.calls {
		to.calls[minute] += n
	}
	maps.Copy(to.last, from.last)
	maps.Copy(to.by, from.by)
}

// compare looks at some keys as a read does.
func (m *useModel) compare(keys int) {
	m.Helper()
	w := windowAt(m.now)
	for range keys {
		id := m.ids[m.rand.IntN(len(m.ids))]
		all := &modelUse{map[int64]int64{}, map[int]time.Time{}, map[Origin]time.Time{}}
		for _, part := range []*modelUse{m.sure[id], m.fresh[id]} {
			if part != nil {
				addModel(all, part)
			}
		}
		want := Usage{LastUsedAt: all.last[1]}
		for minute, n := range all.calls {
			if minute >= w.Day {
				want.Calls24h += n
			}
			if minute >= w.Hour {
				want.Calls1h += n
			}
		}
		for o, at := range all.by {
			if !at.Before(w.Since) {
				want.Callers = append(want.Callers, CallerUse{o.AddressPrefix, o.Agent, at})
			}
		}
		got := m.read(id, w)
		byWho := func(a, b CallerUse) bool { return fmt.Sprint(a) < fmt.Sprint(b) }
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.SortSlices(byWho)); diff != "" {
			m.Fatalf("use of %s (-want +got):\n%s", id, diff)
		}
	}
}

func (m *useModel) read(id string, w store.UseWindow) (out Usage) {
	m.Helper()
	m.must(m.st.View(m.Context(), func(tx store.Tx) error {
		sum, err := tx.KeyUse(id, w)
		if err != nil {
			return err
		}
		row, err := tx.Key("org_1", id)
		out = usageOf(sum, m.u.unwritten(id), w)
		out.LastUsedAt = row.LastUsedAt
		m.u.last(id, 1, new(time.Time), &out.LastUsedAt)
		return err
	}))
	return out
}

// listed wants the store to have the keys in the order of their last uses.
func (m *useModel) listed() {
	m.Helper()
	m.must(m.u.tell(m.Context(), "org_1"))
	m.flushed()
	var rows []store.Key
	m.must(m.st.View(m.Context(), func(tx store.Tx) (err error) {
		rows, err = tx.Keys("org_1", store.KeyFilter{Sort: store.ByLastUse, Descending: true, Limit: 200})
		return err
	}))
	var want []string
	for id := range m.sure {
		want = append(want, id)
	}
	slices.SortFunc(want, func(a, b string) int {
		return order.Or(m.sure[b].last[1].Compare(m.sure[a].last[1]), strings.Compare(b, a))
	})
	for i, id := range want[:min(200, len(want))] {
		if rows[i].ID != id {
			m.Fatalf("place %d has %s, want %s", i, rows[i].ID, id)
		}
	}
}

// journalled wants no more rows in the journal than the tracker knows of.
func (m *useModel) journalled() {
	m.Helper()
	m.must(m.st.View(m.Context(), func(tx store.Tx) error {
		if m.u.journal.owner == "" {
			return nil
		}
		rows, err := tx.UseJournal(m.u.journal.owner, 0, 1000)
		if len(rows) > m.u.journal.rows() {
			m.Fatalf("the journal has %d rows, at most %d are known", len(rows), m.u.journal.rows())
		}
		return err
	}))
}

// halt ends the goroutine of a tracker, so that a test says what happens when.
func (u *usage) halt() {
	u.once.Do(func() { close(u.stop) })
	<-u.done
}
