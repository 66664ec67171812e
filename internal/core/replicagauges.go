package core

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// leaseCounts are what a replica counts of its lease.
type leaseCounts struct {
	done, failed atomic.Uint64 // renewals
	changes      atomic.Uint64 // that were applied
	last         atomic.Int64  // when the last renewal that went well began, by lease.now
}

func (c *leaseCounts) renewed(err error) {
	if err != nil {
		c.failed.Add(1)
		return
	}
	c.done.Add(1)
}

// applied counts the changes after the one numbered seen; who has just joined applies none.
func (c *leaseCounts) applied(seen, reached int64) {
	if seen >= 0 && reached > seen {
		c.changes.Add(uint64(reached - seen)) //nolint:gosec // it is positive
	}
}

// waitBounds are the buckets of waits: a change waits for a round trip, or until a lease has run out.
func waitBounds() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{ms, 2 * ms, 5 * ms, 10 * ms, 20 * ms, 50 * ms, 100 * ms, 200 * ms, 500 * ms, time.Second, 2 * time.Second, settleTimeout}
}

// waits are how long changes waited for the other replicas.
type waits struct {
	now     atomic.Int64 // that wait
	buckets [12]atomic.Uint64
	count   atomic.Uint64
	sum     atomic.Int64
}

// begin counts a change that waits, until end is called.
func (w *waits) begin() (end func()) {
	w.now.Add(1)
	began := time.Now()
	return func() {
		took := time.Since(began)
		w.now.Add(-1)
		w.count.Add(1)
		w.sum.Add(int64(took))
		for i, bound := range waitBounds() {
			if took <= bound {
				w.buckets[i].Add(1)
			}
		}
	}
}

// Waits is a histogram.
type Waits struct {
	Count   uint64
	Sum     time.Duration
	Buckets map[float64]uint64 // by seconds: how many took no longer
}

// ReplicaGauges is what a replica knows of itself, without asking the store.
type ReplicaGauges struct {
	LeaseLeft      time.Duration // for which it may answer checks; 0: it has no lease
	RenewedAgo     time.Duration // since its lease was renewed last, or since the start
	Renewals       uint64
	RenewalsFailed uint64
	Applied        uint64 // changes since the start
	Waiting        int64  // changes that wait for the other replicas
	Waits          Waits
}

// ReplicaGauges returns what this replica knows of itself; false: the service is alone on its store.
func (s *Service) ReplicaGauges() (g ReplicaGauges, ok bool) {
	r := s.replica
	if r == nil {
		return g, false
	}
	l, w := r.lease, &r.waits
	now := l.now()
	g = ReplicaGauges{
		LeaseLeft: max(0, time.Duration(l.until.Load())-now), RenewedAgo: now - time.Duration(l.counts.last.Load()),
		Renewals: l.counts.done.Load(), RenewalsFailed: l.counts.failed.Load(), Applied: l.counts.changes.Load(),
		Waiting: w.now.Load(),
		Waits:   Waits{Count: w.count.Load(), Sum: time.Duration(w.sum.Load()), Buckets: map[float64]uint64{}},
	}
	for i, bound := range waitBounds() {
		g.Waits.Buckets[bound.Seconds()] = w.buckets[i].Load()
	}
	return g, true
}

// Fleet is what the store says of the replicas.
type Fleet struct {
	Live       int   // that have a lease, by the database's clock
	LastChange int64 // its number
	Behind     int64 // changes that this replica has not told to have applied
}

// Fleet asks the store for the replicas. A service that is alone on its store has none.
func (s *Service) Fleet(ctx context.Context) (f Fleet, err error) {
	if s.replica == nil {
		return f, nil
	}
	var id string
	if p := s.replica.lease.id.Load(); p != nil {
		id = *p
	}
	err = s.view(ctx, func(tx store.Tx) error {
		is, err := tx.State()
		if err != nil {
			return err
		}
		if f.LastChange, err = tx.LastChange(); err != nil {
			return err
		}
		all, err := tx.Replicas()
		f.Live, f.Behind = 0, f.LastChange
		for _, m := range all {
			if HasLease(m, is.Now) {
				f.Live++
			}
			if m.ID == id {
				f.Behind = max(0, f.LastChange-m.Applied)
			}
		}
		return err
	})
	return f, err
}

// HasLease says whether a replica may answer checks, by the database's clock: for people alone.
func HasLease(r store.Replica, now time.Time) bool {
	return r.Renewals > 0 && now.Sub(r.SeenAt) < leaseOver
}

// tellFlushes tells the store when the use of keys was last written, for who looks at it from outside, until ctx ends. It is no part of
// a renewal, which must not wait for it.
func (s *Service) tellFlushes(ctx context.Context, l *lease) {
	var (
		told int64
		as   *string
	)
	for wait(ctx, beatEvery); ctx.Err() == nil; wait(ctx, beatEvery) {
		at, id := s.usage.written.Load(), l.id.Load()
		if id == nil || at == told && id == as {
			continue
		}
		short, cancel := context.WithTimeout(ctx, leaseOver)
		err := s.store.Update(short, func(tx store.Tx) error {
			return tx.FlushedReplica(*id, max(0, s.now().Sub(time.UnixMicro(at))))
		})
		cancel()
		if err == nil { // else the next turn does; what is wrong is said by who renews the lease
			told, as = at, id
		}
	}
}
