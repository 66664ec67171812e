package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
)

// movingStore has use written to rows just after a transaction has read: the one moment that a test can't hit.
type movingStore struct {
	store.Store
	move func()
}

func (m *movingStore) View(ctx context.Context, fn func(store.Tx) error) error {
	return m.Store.View(ctx, func(tx store.Tx) error {
		return fn(&movingTx{tx, m})
	})
}

type movingTx struct {
	store.Tx
	of *movingStore
}

func (t *movingTx) Keys(orgID string, f store.KeyFilter) ([]store.Key, error) {
	rows, err := t.Tx.Keys(orgID, f)
	t.of.move()
	return rows, err
}

func (t *movingTx) Key(orgID, id string) (store.Key, error) {
	row, err := t.Tx.Key(orgID, id)
	t.of.move()
	return row, err
}

// TestUseThatMovesWhileItIsRead: a use that comes into rows after they were read, and is not in memory any more, is seen.
func TestUseThatMovesWhileItIsRead(t *testing.T) {
	t.Parallel()
	if underRace {
		t.Skip("it runs in one goroutine; the race detector would only make it slow")
	}
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci", Tags: map[string]string{"shown": "1"}})
	fillers := f.addFillers(core.JournalFromForTest)
	moving := &movingStore{Store: f.store, move: func() {}}
	svc, err := core.New(core.Config{Store: moving, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	core.HaltUseForTest(svc)
	caller := core.Caller{Org: f.org, KeyID: k.ID}
	reads := map[string]func() (core.Key, error){
		"key":  func() (core.Key, error) { return svc.Key(t.Context(), f.owner, "acme", k.ID) },
		"self": func() (core.Key, error) { return svc.Self(t.Context(), caller) },
		"activity": func() (core.Key, error) {
			k, _, err := svc.KeyActivity(t.Context(), caller, "", 0)
			return k, err
		},
		"list": func() (core.Key, error) {
			page, err := svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{Tags: []string{"shown=1"}})
			return page.Keys[0], err
		},
	}
	for name, read := range reads {
		for _, journalled := range []bool{false, true} {
			f.clock.move(time.Minute)
			_, err := svc.CheckKey(t.Context(), sec.Reveal(), core.Origin{})
			f.must(err)
			if journalled {
				core.RecordUseForTest(svc, fillers, f.clock.now())
				f.must(core.FlushUseForTest(t.Context(), svc))
			}
			moving.move = func() {
				moving.move = func() {}
				f.must(core.FlushUseForTest(t.Context(), svc))
				f.must(core.FoldUseForTest(t.Context(), svc))
			}
			got, err := read()
			f.must(err)
			f.equal(name, got.LastUsedAt, f.instant())
		}
	}
	f.must(svc.Close(t.Context()))
}
