package core_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func (f *fixture) checkFrom(sec secret.Secret, address, agent string) {
	f.Helper()
	_, err := f.svc.CheckKey(f.Context(), sec.Reveal(), core.Origin{AddressPrefix: address, Agent: agent})
	f.must(err)
}

func (f *fixture) usage(ref string) core.Usage {
	f.Helper()
	u, err := f.svc.KeyUsage(f.Context(), f.owner, "acme", ref)
	f.must(err)
	u.Hours = nil // TestCallsByHour
	return u
}

// TestCallsByHour: each call counts in its hour for 90 days, written or not.
func TestCallsByHour(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	start := time.Date(2031, 2, 3, 4, 0, 0, 0, time.UTC)
	var want []core.HourUse
	hours := func(what string) {
		f.Helper()
		u, err := f.svc.KeyUsage(t.Context(), f.owner, "acme", "ci")
		f.must(err)
		f.equal(what, u.Hours, want)
	}
	hours("none")
	for i, at := range []time.Duration{0, time.Hour - time.Microsecond, time.Hour, 20 * time.Hour, 24 * time.Hour} {
		f.clock.set(start.Add(at))
		f.checkFrom(sec, "192.0.2.0/24", "a")
		hour := core.HourUse{Start: start.Add(at).Truncate(time.Hour), Calls: 1}
		if i == 1 {
			want[0].Calls = 2
		} else {
			want = append(want, hour)
		}
		hours("not written")
		if i%2 == 0 {
			f.flush()
			hours("written")
		}
	}
	const kept = 90 * 24 * time.Hour
	f.clock.set(start.Add(kept - time.Microsecond))
	f.must(core.PruneForTest(t.Context(), f.svc))
	hours("for 90 days")
	f.clock.set(start.Add(kept))
	want = want[1:]
	hours("the first is over")
	f.clock.set(start.Add(kept + 30*time.Hour))
	want = nil
	hours("all are")
	f.clock.set(start.Add(kept + 48*time.Hour))
	f.must(core.PruneForTest(t.Context(), f.svc))
	f.must(f.store.View(t.Context(), func(tx store.Tx) error {
		left, err := tx.KeyHours(k.ID, 0)
		f.equal("what is left", left, []store.HourUse(nil))
		return err
	}))
}

// flush has what is pending written.
func (f *fixture) flush() {
	f.Helper()
	f.must(core.FlushUseForTest(f.Context(), f.svc))
}

func TestKeyUsage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	f.create(core.NewKey{Name: "other"})
	f.clock.set(time.Date(2031, 2, 3, 4, 5, 30, 0, time.UTC))
	f.equal("none", f.usage("ci"), core.Usage{})
	f.checkFrom(sec, "192.0.2.0/24", "a")
	f.checkFrom(sec, "192.0.2.0/24", "a")
	first := f.clock.now()
	want := core.Usage{LastUsedAt: first, Calls1h: 2, Calls24h: 2, Callers: []core.CallerUse{{"192.0.2.0/24", "a", first}}}
	f.equal("not written", f.usage("ci"), want)
	f.flush()
	f.equal("written", f.usage("ci"), want)
	f.equal("another key", f.usage("other"), core.Usage{})

	f.clock.move(59 * time.Minute)
	f.checkFrom(sec, "2001:db8::/48", "b")
	f.checkFrom(sec, "192.0.2.0/24", "b")
	second := f.clock.now()
	want = core.Usage{LastUsedAt: second, Calls1h: 4, Calls24h: 4, Callers: []core.CallerUse{
		{"192.0.2.0/24", "b", second}, {"2001:db8::/48", "b", second}, {"192.0.2.0/24", "a", first},
	}}
	f.equal("both", f.usage("ci"), want)
	f.flush()
	f.clock.move(29 * time.Second)
	f.equal("the minute of the first is the 60th", f.usage("ci"), want)
	f.clock.move(time.Second)
	want.Calls1h = 2
	f.equal("an hour after the first", f.usage("ci"), want)
	f.checkFrom(sec, "192.0.2.0/24", "a")
	want = core.Usage{LastUsedAt: f.clock.now(), Calls1h: 3, Calls24h: 5, Callers: []core.CallerUse{
		{"192.0.2.0/24", "a", f.clock.now()}, {"192.0.2.0/24", "b", second}, {"2001:db8::/48", "b", second},
	}}
	f.equal("written and not written", f.usage("ci"), want)
	f.clock.set(second.Add(24*time.Hour + time.Microsecond))
	want.Calls1h, want.Calls24h, want.Callers = 0, 1, want.Callers[:1]
	f.equal("a day after", f.usage("ci"), want)
	f.clock.move(time.Hour)
	f.equal("the last use is kept", f.usage("ci"), core.Usage{LastUsedAt: want.LastUsedAt})
	_, err := f.svc.KeyUsage(t.Context(), f.owner, "acme", "none")
	f.refused(err, api.CodeKeyNotFound, `"none"`)
}

func TestCallersAreTheLatest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	for i := range 75 {
		if i%15 == 0 {
			f.flush()
		}
		f.clock.move(time.Second)
		f.checkFrom(sec, "192.0.2.0/24", fmt.Sprint("agent/", i))
		f.checkFrom(sec, "", strings.Repeat("é", 100)+strconv.Itoa(i)) // cut, so it is one caller
	}
	use := f.usage("ci")
	f.equal("calls", use.Calls24h, int64(150))
	var got, want []string
	for _, c := range use.Callers {
		got = append(got, c.Agent)
	}
	want = append(want, strings.Repeat("é", 32))
	for i := range 19 {
		want = append(want, fmt.Sprint("agent/", 74-i))
	}
	f.equal("callers", got, want)
}

func TestDeleteGuard(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	refused := func(in core.DeleteKey, at time.Time, calls int64) {
		f.Helper()
		err := f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", in)
		f.refused(err, api.CodeKeyRecentlyUsed, `the key "ci" was last used at `+at.Format(time.RFC3339))
		var refusal *core.Error
		if !errors.As(err, &refusal) || !refusal.LastUsedAt.Equal(at) || refusal.Calls24h != calls {
			t.Fatalf("last used %v, %d calls, want %v, %d", refusal.LastUsedAt, refusal.Calls24h, at, calls)
		}
	}
	f.create(core.NewKey{Name: "never used"})
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "never used", core.DeleteKey{}))
	k, sec := f.create(core.NewKey{Name: "ci"})
	_, err := f.check(sec)
	f.must(err)
	used := f.clock.now().Truncate(time.Microsecond)
	refused(core.DeleteKey{}, used, 1)
	f.flush()
	refused(core.DeleteKey{IfRevision: 1}, used, 1)
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "")
	f.must(err)
	f.clock.set(used.Add(24*time.Hour - time.Microsecond))
	refused(core.DeleteKey{}, used, 0) // the minute of the call is more than 24 hours back
	f.refused(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{IfRevision: 1}), api.CodePreconditionFailed, "changed in between")
	f.equal("untouched", f.events(k.ID), []string{"key.disabled", "key.created"})
	f.clock.set(used.Add(24 * time.Hour))
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{}))

	_, sec = f.create(core.NewKey{Name: "ci"})
	_, err = f.check(sec)
	f.must(err)
	refused(core.DeleteKey{}, f.clock.now(), 1)
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{AcknowledgeRecentUse: true}))
	_, err = f.check(sec)
	f.refused(err, api.CodeUnauthenticated, "")
}

// TestUseIsCountedOnce: whatever is being written when it is asked, each call counts once, and those before count all.
func TestUseIsCountedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	const workers, rounds = 4, 50
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		done  int64
		begun atomic.Int64
	)
	for range workers {
		group.Go(func() {
			for range rounds {
				begun.Add(1)
				if _, err := f.check(sec); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				done++
				before := done
				mu.Unlock()
				err := f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{})
				var refusal *core.Error
				if !errors.As(err, &refusal) || refusal.Calls24h < before || refusal.Calls24h > begun.Load() {
					t.Errorf("%d calls were answered: %v, %+v", before, err, refusal)
					return
				}
				use, err := f.svc.KeyUsage(t.Context(), f.owner, "acme", "ci")
				if err != nil || use.Calls1h < before || use.Calls1h > begun.Load() {
					t.Errorf("%d calls were answered: %+v, %v", before, use, err)
					return
				}
				if _, err := f.svc.ActiveKey(t.Context(), f.owner, "acme"); err != nil { // flushes
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	f.equal("calls", f.usage("ci").Calls24h, int64(workers*rounds))
}

func TestCallsThatCannotBeWrittenAreKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	broken := &brokenStore{Store: f.store}
	svc, err := core.New(core.Config{Store: broken, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	broken.set(true)
	for range 3 {
		_, err := svc.CheckKey(t.Context(), sec.Reveal(), core.Origin{Agent: "a"})
		f.must(err)
		if _, err := svc.ActiveKey(t.Context(), f.owner, "acme"); !errors.Is(err, errBroken) {
			t.Fatalf("got %v, want %v", err, errBroken)
		}
	}
	use, err := svc.KeyUsage(t.Context(), f.owner, "acme", "ci")
	f.must(err)
	f.equal("calls", use.Calls24h, int64(3))
	broken.set(false)
	f.must(svc.Close(t.Context()))
	f.equal("written", f.usage("ci").Calls24h, int64(3))
}

// TestOldUseIsThrownAway runs the first prune of a service that was started a day later.
func TestOldUseIsThrownAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci", Idempotency: "x"})
	_, err := f.check(sec)
	f.must(err)
	f.flush()
	f.clock.move(25*time.Hour + time.Minute)
	f.must(core.PruneForTest(t.Context(), f.svc))
	f.must(f.store.View(t.Context(), func(tx store.Tx) error {
		sum, err := tx.KeyUse(k.ID, store.UseWindow{})
		f.equal("what is left", sum, store.UseSum{})
		return err
	}))
	f.equal("the last use is kept", f.get("ci").LastUsedAt.IsZero(), false)
}
