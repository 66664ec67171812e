package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestUseIsSeenBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made, sec := f.create(core.NewKey{Name: "ci"})
	c, err := f.check(sec)
	f.must(err)
	want := f.clock.now().Truncate(time.Microsecond)
	self, err := f.svc.Self(t.Context(), c)
	f.must(err)
	page, err := f.svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{})
	f.must(err)
	own, err := f.svc.CallerKeys(t.Context(), c, core.ListKeys{})
	f.must(err)
	acted, _, err := f.svc.KeyActivity(t.Context(), c, "", 0)
	f.must(err)
	for name, k := range map[string]core.Key{"self": self, "key": f.get("ci"), "list": page.Keys[0], "caller's list": own.Keys[0], "activity": acted} {
		if k.LastUsedAt != want || k.Secrets[0].LastUsedAt != want {
			t.Errorf("%s: last use %v, %v, want %v", name, k.LastUsedAt, k.Secrets[0].LastUsedAt, want)
		}
	}
	if stored := f.stored(made); !stored.IsZero() {
		t.Fatalf("it is written already: %v", stored)
	}
	f.must(f.svc.Close(t.Context()))
	f.equal("written by Close", f.stored(made), want)
	f.must(f.svc.Close(t.Context()))
}

// stored is the last use as the store has it.
func (f *fixture) stored(k core.Key) (at time.Time) {
	f.Helper()
	f.must(f.store.View(f.Context(), func(tx store.Tx) error {
		row, err := tx.Key(k.OrgID, k.ID)
		if err == nil {
			at = row.Secrets[0].LastUsedAt
		}
		return err
	}))
	return at
}

func TestActiveKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	active := func(name string) {
		f.Helper()
		k, err := f.svc.ActiveKey(t.Context(), f.owner, "acme")
		f.must(err)
		f.equal("active key", k.Name, name)
		f.equal("as read", k, f.get(name))
	}
	none := func() {
		f.Helper()
		_, err := f.svc.ActiveKey(t.Context(), f.owner, "acme")
		f.refused(err, api.CodeNoActiveKey, `the organisation "acme" has no key`)
	}
	none()
	_, first := f.create(core.NewKey{Name: "first"})
	active("first")
	_, second := f.create(core.NewKey{Name: "second", ExpiresAt: f.clock.now().Add(time.Hour)})
	active("second") // the newest
	_, err := f.check(first)
	f.must(err)
	active("first") // the only one used, though it is not written yet
	f.clock.move(time.Second)
	_, err = f.check(second)
	f.must(err)
	active("second")
	f.clock.move(time.Hour)
	active("first") // the other one expired
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "first", false, "")
	f.must(err)
	none()
}

func TestUseInParallel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				f.clock.move(time.Millisecond)
				used := f.clock.now().Truncate(time.Microsecond) // others move the clock: it is used then or later
				if _, err := f.check(sec); err != nil {
					t.Error(err)
					return
				}
				k, err := f.svc.ActiveKey(t.Context(), f.owner, "acme") // flushes
				if err != nil || k.LastUsedAt.Before(used) {
					t.Errorf("last use went back from %v to %v: %v", used, k.LastUsedAt, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// brokenStore is a store whose writes fail while broken is set: the one thing a real store can't be made to do in time.
type brokenStore struct {
	store.Store
	mu     sync.Mutex
	broken bool
}

var errBroken = errors.New("disk on fire")

func (b *brokenStore) set(broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = broken
}

func (b *brokenStore) fails() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return errBroken
	}
	return nil
}

func (b *brokenStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := b.fails(); err != nil {
		return err
	}
	return b.Store.Update(ctx, fn)
}

func (b *brokenStore) Ping(ctx context.Context) error {
	if err := b.fails(); err != nil {
		return err
	}
	return b.Store.Ping(ctx)
}

func TestUseThatCannotBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made, sec := f.create(core.NewKey{Name: "ci"})
	broken := &brokenStore{Store: f.store}
	svc, err := core.New(core.Config{Store: broken, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	broken.set(true)
	_, err = svc.CheckKey(t.Context(), sec.Reveal(), core.Origin{})
	f.must(err)
	if _, err := svc.ActiveKey(t.Context(), f.owner, "acme"); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
	k, err := svc.Key(t.Context(), f.owner, "acme", "ci")
	f.must(err)
	f.equal("still seen", k.LastUsedAt, f.clock.now().Truncate(time.Microsecond))
	broken.set(false)
	f.must(svc.Close(t.Context()))
	f.equal("written", f.stored(made), k.LastUsedAt)
}

func TestReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken := &brokenStore{Store: f.store}
	svc, err := core.New(core.Config{Store: broken, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	defer func() { f.must(svc.Close(t.Context())) }()
	f.must(svc.Ready(t.Context()))
	broken.set(true)
	f.must(svc.Ready(t.Context())) // proven less than a second ago
	f.clock.move(time.Second)
	f.refused(svc.Ready(t.Context()), api.CodeUnavailable, "the store can't be read and written")
	broken.set(false)
	f.must(svc.Ready(t.Context()))
	broken.set(true)
	f.clock.move(-time.Hour)
	f.refused(svc.Ready(t.Context()), api.CodeUnavailable, "the store can't be read and written")
}

func TestCloseLeavesNoGoroutine(t *testing.T) { //nolint:paralleltest // goroutines of other tests would be seen
	f := newFixture(t)
	f.must(f.svc.Close(t.Context()))
	before := goleak.IgnoreCurrent()
	svc, err := core.New(core.Config{Store: f.store, Material: testMaterial()})
	f.must(err)
	f.must(svc.Close(t.Context()))
	goleak.VerifyNone(t, before)
}
