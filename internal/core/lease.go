package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	// leaseFor is for how long a replica may answer checks after it began to ask the store what has changed.
	leaseFor = 900 * time.Millisecond
	// leaseOver is after how long without a renewal the others take a lease to have run out. It is longer than the lease, for
	// clocks that run apart by up to a tenth; no two clocks are ever compared.
	leaseOver = time.Second
	// beatEvery is how often a lease is renewed where nothing wakes the replica sooner.
	beatEvery = 250 * time.Millisecond
	// complainEvery is how often it is logged that a lease still can't be renewed.
	complainEvery = 10 * time.Second
)

// fleet is what the replicas of one service share: the numbered log of changes, and everybody's lease.
type fleet interface {
	// join adds a replica under an id that was never used, as one that has applied nothing.
	join(ctx context.Context, r store.Replica) error
	// same renews the lease, in one transaction, if nothing has changed since the change numbered seen, which the replica has applied;
	// false: something may have, and nothing was done.
	same(ctx context.Context, id string, seen int64) (bool, error)
	// beat calls apply with what has changed since the change numbered seen, and renews the lease as of that, all in one transaction
	// which begins with the reading and ends with the renewal; store.ErrNotFound: somebody took the replica for dead. apply may be
	// called again.
	beat(ctx context.Context, id string, seen int64, apply func(news)) error
	// members returns all that have joined and were not removed, and the number of the last change.
	members(ctx context.Context) (all []store.Replica, last int64, err error)
	// remove removes a replica, if it has not renewed its lease since.
	remove(ctx context.Context, id string, renewals int64) error
	// prune removes some of the changes up to a number that are old, and says whether there may be more.
	prune(ctx context.Context, upto int64) (more bool, err error)
}

// news is what has changed since a beat.
type news struct {
	last    int64            // the number of the last change
	counted store.KeyChanges // as of it
	whole   bool             // it is not known what: everything may have
	blank   bool             // it is not known either what was added
	secrets [][32]byte       // of the keys that were changed or got a secret, those included
	added   int64            // secrets that were
}

// lease lets a replica answer checks from memory for as long as no other replica may have made a change that it has not applied.
//
// A change is acknowledged once every replica has applied it or has lost its lease (lease.await). A replica counts the time of its
// lease from before it asked the store; who waits for it counts from when the renewal was seen, which is later, and by its own
// monotonic clock: neither the clocks of two machines nor the database's are compared.
type lease struct {
	fleet   fleet
	replica store.Replica        // without its id
	apply   func(news)           // takes what has changed out of memory
	now     func() time.Duration // monotonic
	log     *slog.Logger
	others  func(context.Context) error // wakes the other replicas; nil: nothing does

	settling settling

	until atomic.Int64           // the end of the lease by now; 0: there is none
	id    atomic.Pointer[string] // by which the others know this replica; nil: it has not joined
	seen  int64                  // the last change that was applied; -1: none yet
	wake  chan struct{}

	counts leaseCounts
}

func newLease(f fleet, r store.Replica, apply func(news), log *slog.Logger) *lease {
	start := time.Now()
	return &lease{
		fleet: f, replica: r, apply: apply, log: log, wake: make(chan struct{}, 1), settling: settling{fresh: make(chan struct{}, 1)},
		now: func() time.Duration { return time.Since(start) },
	}
}

// valid says that the lease has not run out.
func (l *lease) valid() bool { return int64(l.now()) < l.until.Load() }

// errStale refuses a check that this replica can't answer for.
func errStale() error {
	return refusef(api.CodeReplicaStale, "try again: another replica may answer",
		"this replica does not know whether a key was changed elsewhere")
}

// run renews the lease until ctx ends, and then gives it back.
func (l *lease) run(ctx context.Context) {
	defer l.leave(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	trouble := complaint{lease: l}
	for {
		woken := false
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.wake:
			woken = true
		}
		was := l.valid()
		if err := l.renew(ctx, woken); ctx.Err() == nil {
			trouble.hear(was, err)
		}
		timer.Reset(beatEvery)
	}
}

// complaint logs what becomes of renewals, without a line for each that fails.
type complaint struct {
	lease  *lease
	failed int           // renewals, one after the other
	said   time.Duration // when that was logged
	served bool          // what was said of it
}

// hear is told of a renewal, and whether there was a lease before it.
func (c *complaint) hear(was bool, err error) {
	l := c.lease
	l.counts.renewed(err)
	if err == nil {
		if !was {
			l.log.Info("this replica has a lease", "replica", l.replica.Name)
		}
		c.failed = 0
		return
	}
	c.failed++
	serves := l.valid()
	if c.failed > 1 && serves == c.served && l.now()-c.said < complainEvery {
		return
	}
	c.said, c.served = l.now(), serves
	l.log.Warn("the lease of this replica could not be renewed", "replica", l.replica.Name, "serves", serves, "times", c.failed, "error", err)
}

// nudge has the lease renewed now, because something may have changed.
func (l *lease) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// renew renews the lease, or joins. Who was woken has probably something to apply.
func (l *lease) renew(ctx context.Context, woken bool) error {
	ctx, cancel := context.WithTimeout(ctx, leaseFor)
	defer cancel()
	if l.id.Load() == nil {
		// A new id each time: who waits for a replica tells by the number of its renewals that it has not renewed its lease, and that
		// must not begin anew. An earlier join that was lost may still arrive.
		r := l.replica
		r.ID = "rep_" + strings.ToLower(rand.Text())
		if err := l.fleet.join(ctx, r); err != nil {
			return fmt.Errorf("join the replicas: %w", err)
		}
		// Whoever changes something from here on waits for this replica; what was read before counts for nothing.
		l.seen = -1
		l.id.Store(&r.ID)
	}
	began := l.now()
	if !woken && l.seen >= 0 {
		same, err := l.fleet.same(ctx, *l.id.Load(), l.seen)
		if same {
			l.have(began)
		}
		if same || err != nil {
			return err
		}
	}
	reached := l.seen
	err := l.fleet.beat(ctx, *l.id.Load(), l.seen, func(n news) {
		n.whole, n.blank = n.whole || l.seen < 0, n.blank || l.seen < 0
		l.apply(n)
		reached = n.last
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		l.until.Store(0)
		l.id.Store(nil)
		l.nudge()
		return fmt.Errorf("another replica took this one for dead: %w", err)
	case err != nil:
		return err
	}
	l.counts.applied(l.seen, reached)
	l.seen = reached
	l.have(began)
	return nil
}

// have begins the lease that a renewal, begun then, has got.
func (l *lease) have(began time.Duration) {
	l.counts.last.Store(int64(began))
	l.until.Store(int64(began + leaseFor))
}

// leave gives the lease back, so that nobody waits for it.
func (l *lease) leave(ctx context.Context) {
	l.until.Store(0)
	id := l.id.Swap(nil)
	if id == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseFor)
	defer cancel()
	members, _, err := l.fleet.members(ctx)
	for _, m := range members {
		if m.ID == *id {
			err = errors.Join(err, l.fleet.remove(ctx, m.ID, m.Renewals))
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		l.log.Warn("the lease of this replica could not be given back: it runs out", "error", err)
	}
}
