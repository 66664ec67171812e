package core_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

func perMinute(n int64) api.RateLimit { return api.RateLimit{Requests: n, PerSeconds: 60} }

func TestARateLimitHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci", RateLimit: perMinute(3)})
	pass := func(left int64, reset time.Duration) {
		t.Helper()
		in, err := f.check(sec)
		f.must(err)
		if want := (core.Rate{Limit: perMinute(3), Remaining: left, Reset: reset}); in.Rate != want {
			t.Errorf("left %+v, want %+v", in.Rate, want)
		}
	}
	refuse := func(wait time.Duration) {
		t.Helper()
		_, err := f.check(sec)
		f.refused(err, api.CodeRateLimited, `the key "ci" may be used 3/m`)
		got, ok := err.(*core.Error) //nolint:errorlint // the check's own answer
		if want := (core.Rate{Limit: perMinute(3), Reset: wait}); !ok || got.Rate != want || got.RetryAfter != wait {
			t.Errorf("refused with %+v, want %+v", got, want)
		}
	}
	pass(2, 20*time.Second)
	pass(1, 40*time.Second)
	pass(0, 20*time.Second)
	refuse(20 * time.Second)
	refuse(20 * time.Second) // a refused request costs nothing
	f.clock.move(15 * time.Second)
	refuse(5 * time.Second)
	f.clock.move(5 * time.Second)
	pass(0, 20*time.Second)
	f.clock.move(time.Hour)
	pass(2, 20*time.Second)

	used, err := f.svc.KeyUsage(t.Context(), f.owner, "acme", k.ID)
	f.must(err)
	if used.Calls24h != 5 {
		t.Errorf("%d calls: a refused one is no use", used.Calls24h)
	}
	f.clock.move(-30 * 24 * time.Hour) // a clock that is set back closes a key for no longer than its limit does
	refuse(20 * time.Second)
	f.clock.move(20 * time.Second)
	pass(0, 20*time.Second)
}

func TestARateLimitIsTheKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	set := func(l api.RateLimit) core.Key {
		t.Helper()
		k, err := f.svc.UpdateKey(t.Context(), f.owner, "acme", k.ID, core.KeyPatch{RateLimit: &l}, 0)
		f.must(err)
		return k
	}
	admitted := func(svc *core.Service, want bool) {
		t.Helper()
		_, err := f.admit(svc, sec)
		if want {
			f.must(err)
			return
		}
		f.refused(err, api.CodeRateLimited, "may be used")
	}
	other := f.service()
	for range 20 {
		admitted(f.svc, true)
		admitted(other, true)
	}
	if got := set(perMinute(1)); got.RateLimit != perMinute(1) || got.Revision != 2 || f.get("ci").RateLimit != perMinute(1) {
		t.Errorf("changed to %+v", got)
	}
	admitted(f.svc, true)
	admitted(f.svc, false)
	core.EndLeaseForTest(other)
	admitted(other, true) // every process counts for itself
	admitted(other, false)
	if got := set(perMinute(1)); got.Revision != 2 {
		t.Errorf("the same limit is a change: %+v", got)
	}
	admitted(f.svc, false)

	opened, err := f.svc.OpenRotation(t.Context(), f.owner, "acme", "ci", core.NewRotation{}, core.Origin{})
	f.must(err)
	_, err = f.admit(f.svc, opened.Secret)
	f.refused(err, api.CodeRateLimited, "may be used 1/m") // the new secret is the same key
	set(perMinute(2))
	admitted(f.svc, true) // a new limit begins anew
	admitted(f.svc, true)
	admitted(f.svc, false)
	core.ForgetForTest(f.svc)
	admitted(f.svc, false) // what is forgotten of the key is not what it used
	if got := set(api.RateLimit{}); got.RateLimit != (api.RateLimit{}) {
		t.Errorf("taken off: %+v", got)
	}
	for range 20 {
		admitted(f.svc, true)
	}
	page, err := f.svc.Events(t.Context(), f.owner, "acme", core.ListEvents{Type: "key.updated"})
	f.must(err)
	var said []string
	for _, e := range page.Events {
		said = append(said, e.Data["rate_limit"])
	}
	if fmt.Sprint(said) != "[none 2/m 1/m]" {
		t.Errorf("the events say %q", said)
	}
}

func TestRateLimitsHaveBounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(core.NewKey{Name: "ci", RateLimit: api.RateLimit{Requests: 1_000_000, PerSeconds: 86_400}})
	for _, l := range []api.RateLimit{
		{Requests: 1},
		{PerSeconds: 1},
		{Requests: -1, PerSeconds: 1},
		{Requests: 1, PerSeconds: -1},
		{Requests: 1_000_001, PerSeconds: 1},
		{Requests: 1, PerSeconds: 86_401},
		{Requests: -1 << 63, PerSeconds: 1 << 62},
	} {
		_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: "x", RateLimit: l})
		f.refused(err, api.CodeInvalidRequest, "the rate limit must be 1 to 1000000 requests in 1 to 86400 seconds")
		_, err = f.svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{RateLimit: &l}, 0)
		f.refused(err, api.CodeInvalidRequest, "the rate limit must be")
	}
	again := core.NewKey{Name: "again", RateLimit: perMinute(1), Idempotency: "x"}
	first, _ := f.create(again)
	second, _ := f.create(again)
	again.RateLimit = perMinute(2)
	_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", again)
	if f.refused(err, api.CodeIdempotency, ""); first.ID != second.ID || second.RateLimit != perMinute(1) {
		t.Errorf("repeated: %+v", second)
	}
}

// TestADamagedRateLimit: a key whose limit is none opens nothing until it has another one.
func TestADamagedRateLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	for _, l := range []store.RateLimit{
		{Requests: 5},
		{Seconds: 5},
		{Requests: -5, Seconds: 60},
		{Requests: 5, Seconds: -60},
		{Requests: 5, Seconds: 1 << 32},
		{Requests: 1 << 32, Seconds: 5},
		{Requests: -1 << 63, Seconds: 1<<63 - 1},
	} {
		f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
			row, err := tx.Key(f.org.ID, k.ID)
			if err != nil {
				return err
			}
			row.Rate = l
			return tx.UpdateKey(row)
		}))
		svc := f.service() // one that reads it as it is
		_, err := f.admit(svc, sec)
		f.refused(err, api.CodeUnauthenticated, "")
		limit := perMinute(5)
		_, err = svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{RateLimit: &limit}, 0)
		f.must(err)
		_, err = f.admit(svc, sec)
		f.must(err)
	}
}

// TestARateLimitIsExactUnderLoad: as many pass as may, whoever asks at once.
func TestARateLimitIsExactUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const most = 999
	_, sec := f.create(core.NewKey{Name: "ci", RateLimit: api.RateLimit{Requests: most, PerSeconds: 7}})
	var passed atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 300 {
				if _, err := f.check(sec); err == nil {
					passed.Add(1)
				}
			}
		})
	}
	group.Wait()
	if passed.Load() != most {
		t.Errorf("%d passed of %d", passed.Load(), most)
	}
}
