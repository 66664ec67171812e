package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	// askFirst and askMost bound how long a change waits before it looks at the leases again.
	askFirst = 2 * time.Millisecond
	askMost  = 20 * time.Millisecond
)

// settling are the changes that wait until every replica knows of them. Who looks at the leases does so for all of them, so that many
// changes at once ask the store no more often than one.
type settling struct {
	mu      sync.Mutex
	waiting []*waiter
	fresh   chan struct{} // holds a token: there is one that nobody has looked for yet, or none any more
	looks   bool          // somebody does

	removes atomic.Bool // somebody removes replicas
	work    sync.WaitGroup
}

// waiter is a change that waits.
type waiter struct {
	watch

	done chan struct{} // closed when what follows is known
	knew int           // how many replicas go by it
	err  error
}

// await returns once every replica, this one among them, has applied all that was changed before it was called or has no lease any
// more, and says how many applied it. An error says that it isn't known of each.
func (l *lease) await(ctx context.Context) (int, error) {
	w := &waiter{watch: watch{until: -1, silent: map[string]sight{}}, done: make(chan struct{})}
	l.nudge()
	s := &l.settling
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	if !s.looks {
		s.looks = true
		s.work.Go(func() { l.settle(context.WithoutCancel(ctx)) })
	} else {
		s.poke()
	}
	s.mu.Unlock()
	select {
	case <-w.done:
		return w.knew, w.err
	case <-ctx.Done():
		s.forget(w)
		return 0, fmt.Errorf("wait for the other replicas to know of a change: %w", ctx.Err())
	}
}

// all returns who waits. Nobody: the caller looks no more.
func (s *settling) all() []*waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = len(s.waiting) > 0
	return slices.Clone(s.waiting)
}

func (s *settling) forget(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(one *waiter) bool { return one == w })
	if len(s.waiting) == 0 {
		s.poke()
	}
}

func (s *settling) poke() {
	select {
	case s.fresh <- struct{}{}:
	default:
	}
}

// settle looks at the leases until nobody waits.
func (l *lease) settle(ctx context.Context) {
	s := &l.settling
	timer := time.NewTimer(0)
	defer timer.Stop()
	fresh, pause := true, askFirst
	for {
		all := s.all() // before it asks: the answer may be older than who comes later
		if len(all) == 0 {
			return
		}
		if several := l.look(ctx, all); several && fresh {
			l.tell(ctx)
		}
		if pause = min(2*pause, askMost); fresh {
			pause = askFirst
		}
		fresh = false
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-s.fresh:
			fresh = true
		}
	}
}

// tell wakes the other replicas.
func (l *lease) tell(ctx context.Context) {
	if l.others == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := l.others(ctx); err != nil {
		l.log.Warn("the other replicas could not be woken: they ask by themselves", "error", err)
	}
}

// look looks once, for all who wait, and says whether this replica is one of several.
func (l *lease) look(ctx context.Context, all []*waiter) (several bool) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	members, last, err := l.fleet.members(ctx)
	now := l.now()
	gone := map[string]store.Replica{}
	for _, w := range all {
		if err != nil {
			w.err = fmt.Errorf("ask which replicas know of a change: %w", err)
		} else {
			if w.until < 0 {
				w.until = last
			}
			applied, waiting, over := w.look(members, now)
			for _, m := range over {
				gone[m.ID] = m
			}
			if waiting > 0 && barrier {
				continue
			}
			w.knew = applied
		}
		l.settling.forget(w)
		close(w.done)
	}
	if len(gone) > 0 && l.settling.removes.CompareAndSwap(false, true) {
		l.settling.work.Go(func() { l.remove(context.WithoutCancel(ctx), gone) })
	}
	return len(members) > 1
}

// remove removes replicas whose lease has run out: who comes later need not find that out again. Nobody waits for it: a replica that
// was stopped in the middle of a renewal has a lock on its row.
func (l *lease) remove(ctx context.Context, gone map[string]store.Replica) {
	defer l.settling.removes.Store(false)
	ctx, cancel := context.WithTimeout(ctx, leaseOver)
	defer cancel()
	for _, m := range gone {
		if err := l.fleet.remove(ctx, m.ID, m.Renewals); err != nil && !errors.Is(err, store.ErrNotFound) {
			l.log.Warn("a replica without a lease could not be removed", "replica", m.Name, "error", err)
		}
	}
}

// watch is the wait for a change.
type watch struct {
	until  int64            // the change's number; negative: not known yet
	silent map[string]sight // replicas that have not applied it
}

// sight is a lease as it was seen.
type sight struct {
	renewals int64
	at       time.Duration // when that many were seen first, after the change was made
}

// look counts the replicas that have applied the change and those that may not have, and returns those whose lease has run out.
func (w *watch) look(members []store.Replica, now time.Duration) (applied, waiting int, over []store.Replica) {
	for _, m := range members {
		seen, known := w.silent[m.ID]
		switch {
		case m.Applied >= w.until && m.Renewals > 0:
			applied++
		case !known || seen.renewals != m.Renewals:
			w.silent[m.ID] = sight{m.Renewals, now}
			waiting++
		case now-seen.at < leaseOver:
			waiting++
		default:
			over = append(over, m)
		}
	}
	return applied, waiting, over
}
