package core_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// remembered waits until the service tells unknown secrets from those of its store.
func (f *fixture) remembered(svc *core.Service) {
	f.Helper()
	for deadline := time.Now().Add(20 * time.Second); !core.RemembersForTest(svc); {
		if time.Now().After(deadline) {
			f.Fatal("the service has not read which secrets there are")
		}
		_, err := f.admit(svc, secret.New(secret.Key))
		f.refused(err, api.CodeUnauthenticated, noKeyDetail)
		<-time.After(time.Millisecond)
	}
}

// leads waits until a replica has its lease.
func (f *fixture) leads(svc *core.Service) {
	f.Helper()
	for deadline := time.Now().Add(20 * time.Second); svc.Ready(f.Context()) != nil; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			f.Fatal("the replica gets no lease")
		}
	}
}

// countingStore counts what is read.
type countingStore struct {
	store.Store

	views atomic.Int64
}

func (c *countingStore) View(ctx context.Context, fn func(store.Tx) error) error {
	c.views.Add(1)
	return c.Store.View(ctx, fn)
}

// TestUnknownKeysAskNoStore: once it knows which secrets there are, be it alone or a replica. Only the lease is renewed.
func TestUnknownKeysAskNoStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, gone := f.create(core.NewKey{Name: "gone"})
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "gone", core.DeleteKey{AcknowledgeRecentUse: true}))
	counting := &countingStore{Store: f.store}
	for _, replica := range []string{"", "test"} {
		svc, err := core.New(core.Config{Store: counting, Material: testMaterial(), Now: f.clock.now, Replica: replica})
		f.must(err)
		if replica != "" {
			f.leads(svc)
		}
		f.remembered(svc)
		_, err = f.admit(svc, gone)
		f.refused(err, api.CodeUnauthenticated, noKeyDetail)
		before, began := counting.views.Load(), time.Now()
		const checks = 500
		for range checks {
			_, err := f.admit(svc, secret.New(secret.Key))
			f.refused(err, api.CodeUnauthenticated, noKeyDetail)
			_, err = f.admit(svc, gone)
			f.refused(err, api.CodeUnauthenticated, noKeyDetail)
		}
		leases := int64(time.Since(began)/core.IndexLeaseForTest) + 1
		if read := counting.views.Load() - before; read > leases {
			t.Errorf("replica %q: %d reads in %d leases", replica, read, leases)
		}
		f.must(svc.Close(t.Context()))
	}
}

// TestAnotherProcessAddsKeys: they open within the lease, and those of this process go on doing so.
func TestAnotherProcessAddsKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := core.New(core.Config{Store: f.db.Open(t), Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	defer func() { f.must(other.Close(t.Context())) }()
	f.remembered(f.svc)
	for n := range 5 {
		_, sec, _, err := other.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: fmt.Sprint("theirs ", n)})
		f.must(err)
		acknowledged := time.Now()
		_, own := f.create(core.NewKey{Name: fmt.Sprint("ours ", n)})
		_, err = f.admit(f.svc, own)
		f.must(err)
		for _, err = f.admit(f.svc, sec); err != nil; _, err = f.admit(f.svc, sec) {
			if time.Since(acknowledged) > core.IndexLeaseForTest+20*time.Millisecond {
				_, err = f.admit(f.svc, sec)
				f.must(err)
			}
		}
		f.remembered(f.svc)
		_, err = f.admit(f.svc, sec)
		f.must(err)
	}
}

// TestOwnChangesKeepTheRest: what this process changes costs no other key its place in memory, nor what is known of unknown ones.
func TestOwnChangesKeepTheRest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var secrets []secret.Secret
	for n := range 20 {
		_, sec := f.create(core.NewKey{Name: fmt.Sprint("key ", n)})
		secrets = append(secrets, sec)
	}
	svc, err := core.New(core.Config{Store: f.store, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	defer func() { f.must(svc.Close(t.Context())) }()
	f.remembered(svc)
	for _, sec := range secrets {
		_, err := f.admit(svc, sec)
		f.must(err)
	}
	kept := core.HeldForTest(svc)
	ctx := t.Context()
	done := make(chan struct{})
	go func() { // leases are renewed while changes are committed
		defer close(done)
		for n := range 60 {
			if _, err := svc.SetKeyEnabled(ctx, f.owner, "acme", "key 0", n%2 == 1, ""); err != nil {
				t.Error(err)
			}
			if _, _, _, err := svc.CreateKey(ctx, f.owner, "acme", core.NewKey{Name: fmt.Sprint("new ", n)}); err != nil {
				t.Error(err)
			}
		}
	}()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		core.EndLeaseForTest(svc)
		for _, sec := range secrets[1:] {
			_, err := f.admit(svc, sec)
			f.must(err)
		}
		if held := core.HeldForTest(svc); held < kept-1 {
			t.Fatalf("%d of %d keys are left in memory", held, kept)
		}
		if !core.RemembersForTest(svc) {
			t.Fatal("an own key is taken for another process's")
		}
	}
}

// TestChecksAllocateNothing is the price of a hit, and of junk.
func TestChecksAllocateNothing(t *testing.T) { // not parallel: it counts allocations
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	_, limited := f.create(core.NewKey{Name: "limited", RateLimit: api.RateLimit{Requests: 1_000_000, PerSeconds: 1}})
	whole, from := sec.Reveal(), core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "test", Address: netip.MustParseAddr("192.0.2.1")}
	f.remembered(f.svc)
	for name, tt := range map[string]struct {
		presented     string
		opens, hashed bool
	}{
		"valid":     {whole, true, true},
		"limited":   {limited.Reveal(), true, true},
		"unknown":   {secret.New(secret.Key).Reveal(), false, true},
		"cut short": {whole[:len(whole)-1], false, false},
		"mistyped":  {whole[:len(whole)-2] + "00", false, false},
		"empty":     {"", false, false},
	} {
		if tt.hashed && underRace {
			continue
		}
		n := testing.AllocsPerRun(500, func() {
			if _, err := f.svc.CheckKey(f.Context(), tt.presented, from); (err == nil) != tt.opens {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %g allocations", name, n)
		}
	}
}
