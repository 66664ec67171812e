package core_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// oddStore is a store on which a test decides how a transaction ends.
type oddStore struct {
	store.Store

	update func(ctx context.Context, fn func(store.Tx) error) error // nil: as the store does
}

func (o *oddStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if o.update != nil {
		return o.update(ctx, fn)
	}
	return o.Store.Update(ctx, fn)
}

func (f *fixture) odd() (*oddStore, *core.Service) {
	f.Helper()
	odd := &oddStore{Store: f.store}
	svc, err := core.New(core.Config{Store: odd, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	f.Cleanup(func() { _ = svc.Close(f.Context()) })
	return odd, svc
}

// TestCommittedThoughItFailed: a change whose commit was answered with an error, but is on disk, counts.
func TestCommittedThoughItFailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	odd, svc := f.odd()
	f.remembered(svc)
	_, err := f.admit(svc, sec)
	f.must(err)
	odd.update = func(ctx context.Context, fn func(store.Tx) error) error {
		if err := f.store.Update(ctx, fn); err != nil {
			return err
		}
		return errBroken
	}
	_, err = svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "")
	f.is(err, errBroken)
	_, err = f.admit(svc, sec)
	f.refused(err, api.CodeKeyDisabled, "")
}

// TestAnotherProcessCountsAsFar: a change that was taken back, while another process changed another key and so counted just as
// far, is not taken for that one.
func TestAnotherProcessCountsAsFar(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.db.Open(t)
	theirs, sec := f.create(core.NewKey{Name: "theirs"})
	_, ours := f.create(core.NewKey{Name: "ours"})
	odd, svc := f.odd()
	f.remembered(svc)
	_, err := f.admit(svc, sec)
	f.must(err)
	odd.update = func(ctx context.Context, fn func(store.Tx) error) error {
		err := f.store.Update(ctx, func(tx store.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			return errBroken
		})
		f.must(other.Update(ctx, func(tx store.Tx) error {
			row, err := tx.Key(f.org.ID, theirs.ID)
			if err != nil {
				return err
			}
			row.Disabled = true
			return tx.UpdateKey(row)
		}))
		core.EndLeaseForTest(svc)
		_, e := f.admit(svc, ours) //nolint:contextcheck // a check of its own
		f.must(e)
		return err
	}
	_, err = svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ours", false, "")
	f.is(err, errBroken)
	_, err = f.admit(svc, sec)
	f.refused(err, api.CodeKeyDisabled, "")
	_, err = f.admit(svc, ours)
	f.must(err)
}

// TestKeysGoRound: each acknowledged change counts from the next check on, however many happen at once, while leases end, another
// process changes keys and what is known of the rest is read anew.
func TestKeysGoRound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.service()
	ctx, stop := context.WithCancel(t.Context())
	var disturbance, group sync.WaitGroup
	disturbance.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if _, _, _, err := other.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: fmt.Sprint("theirs ", n)}); err != nil { //nolint:contextcheck // it ends with its answer, not half-way
				t.Error(err)
			}
			core.EndLeaseForTest(f.svc)
			if n%4 == 3 {
				core.DistrustForTest(f.svc)
			}
			<-time.After(time.Millisecond)
		}
	})
	for i := range 4 {
		group.Go(func() {
			for n := range 10 {
				f.goRound(fmt.Sprint("key ", i, " ", n))
			}
		})
	}
	group.Wait()
	stop()
	disturbance.Wait()
}

// goRound takes a key through its life and checks it after each step.
func (f *fixture) goRound(name string) {
	ctx := f.Context()
	k, sec, _, err := f.svc.CreateKey(ctx, f.owner, "acme", core.NewKey{Name: name})
	if err != nil {
		f.Error(err)
		return
	}
	enabled := func(on bool) error {
		_, err := f.svc.SetKeyEnabled(ctx, f.owner, "acme", k.ID, on, "")
		return err
	}
	for _, step := range []struct {
		name   string
		change func() error
		want   api.Code
	}{
		{"created", func() error { return nil }, ""},
		{"disabled", func() error { return enabled(false) }, api.CodeKeyDisabled},
		{"enabled", func() error { return enabled(true) }, ""},
		{"deleted", func() error {
			return f.svc.DeleteKey(ctx, f.owner, "acme", k.ID, core.DeleteKey{AcknowledgeRecentUse: true})
		}, api.CodeUnauthenticated},
	} {
		if err := step.change(); err != nil {
			f.Errorf("%s, %s: %v", name, step.name, err)
			return
		}
		for range 3 {
			if _, err := f.admit(f.svc, sec); step.want == "" && err != nil || step.want != "" && !isRefusal(err, step.want) {
				f.Errorf("%s, %s: %v", name, step.name, err)
			}
		}
	}
}

// pausingStore waits after the first page of digests that was read from it.
type pausingStore struct {
	store.Store

	once         sync.Once
	read, resume chan struct{}
}

type pausingTx struct {
	store.Tx

	page bool
}

func (p *pausingTx) Digests(retired bool, after [32]byte, limit int) ([][32]byte, error) {
	p.page = true
	return p.Tx.Digests(retired, after, limit)
}

func (p *pausingStore) View(ctx context.Context, fn func(store.Tx) error) error {
	var tx pausingTx
	err := p.Store.View(ctx, func(t store.Tx) error {
		tx.Tx = t
		return fn(&tx)
	})
	if tx.page {
		p.once.Do(func() {
			close(p.read)
			<-p.resume
		})
	}
	return err
}

// TestKeysAddedWhileSecretsAreRead: behind the page that was read. An own one opens at once, another process's within the lease, and
// both still do once everything was read.
func TestKeysAddedWhileSecretsAreRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, own := range []bool{true, false} {
		pausing := &pausingStore{Store: f.store, read: make(chan struct{}), resume: make(chan struct{})}
		svc, err := core.New(core.Config{Store: pausing, Material: testMaterial(), Now: f.clock.now})
		f.must(err)
		<-pausing.read
		by := f.svc
		if own {
			by = svc
		}
		_, sec, _, err := by.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: fmt.Sprint("own: ", own)})
		f.must(err)
		core.EndLeaseForTest(svc)
		_, err = f.admit(svc, sec)
		f.must(err)
		core.ForgetForTest(svc)
		close(pausing.resume)
		f.remembered(svc)
		_, err = f.admit(svc, sec)
		f.must(err)
		f.must(svc.Close(t.Context()))
	}
}
