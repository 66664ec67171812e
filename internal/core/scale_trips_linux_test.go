package core

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
)

// tripCounter is a way to a server that counts round trips: how often a client speaks after the server did.
type tripCounter struct {
	net.Listener

	trips atomic.Int64
}

func newTripCounter(t *testing.T, to string) *tripCounter {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &tripCounter{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			var answered atomic.Bool
			answered.Store(true)
			go pass(server, client, func() {
				if answered.Swap(false) {
					c.trips.Add(1)
				}
			})
			go pass(client, server, func() { answered.Store(true) })
		}
	}()
	return c
}

// pass hands on what comes, until one of the two ends.
func pass(to, from net.Conn, came func()) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			came()
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *tripCounter) count() int64 {
	if c == nil {
		return 0
	}
	return c.trips.Load()
}

// TestScaleTrips: the model makes as many round trips as the real store does.
func TestScaleTrips(t *testing.T) {
	t.Parallel()
	const often = 20 // a connection does not know a statement at first, and a renewal may come between
	r := newRealDatabase(t, 2)
	ctx := t.Context()
	trips := newTripCounter(t, r.server.Address())
	st := r.openBy(trips.Addr().String())
	svc, counted := r.replica("counted", st)
	counted.trips = trips
	f := storeFleet{store: st.Apart(), peppers: svc.keys.peppers}
	id, last := r.joined(f, "rep_counted")
	r.must(f.leaves(ctx, id))
	r.disable(svc, often)
	r.must(svc.Close(ctx)) // a wake would have it renew its lease
	id, now := r.joined(f, "rep_again")
	if now != last+often {
		t.Fatalf("%d changes, want %d", now-last, often)
	}
	const beat = tripsBegin + tripsCount + tripsRenew + tripsCommit
	for name, c := range map[string]struct {
		want int64
		fn   func() error
	}{
		"renewal": {tripsQuick, func() error {
			renewed, err := f.same(ctx, id, now)
			if err == nil && !renewed {
				return errors.New("it was not renewed")
			}
			return err
		}},
		"renewal and news": {beat + tripsSince + tripsDigests, func() error { return f.beat(ctx, id, now-2, noNews) }},
		"look":             {tripsQuick, func() error { _, _, err := f.members(ctx); return err }},
		"wake":             {1, func() error { return st.Wake(ctx) }},
		"read": {tripsBegin + tripsHolder + tripsCount + tripsCommit, func() error {
			_, err := svc.index.read(ctx, r.others[1])
			return err
		}},
	} {
		var made []int64
		for range often {
			before := trips.count()
			r.must(c.fn())
			made = append(made, trips.count()-before)
		}
		if got := slices.Min(made); got != c.want {
			t.Errorf("%s: %d round trips, the model makes %d", name, got, c.want)
		}
	}
	if got := slices.Min(counted.made); got != tripsBegin+tripsChange+tripsCommit {
		t.Errorf("a change: %d round trips, the model makes %d", got, tripsBegin+tripsChange+tripsCommit)
	}
}
