package core

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	flushEvery   = 5 * time.Second
	flushTimeout = 5 * time.Second
	flushBatch   = 200 // keys a transaction, so that a change need not wait long for its turn

	pruneEvery   = time.Minute
	pruneRows    = 1000 // of a kind a transaction
	pruneBatches = 20   // transactions a run
	useKept      = 25 * time.Hour
	triesKept    = time.Hour           // longer than any window that they are counted in
	endedKept    = 90 * 24 * time.Hour // sessions and invitations that are over
)

// usage keeps the use of keys in memory and writes it every few seconds: a check of a key must not cost a synced write.
// What is not written yet is laid over every read, so in one process use is exact. It also throws away what is too old.
type usage struct {
	store store.Store
	log   *slog.Logger
	now   func() time.Time

	written atomic.Int64 // when a flush last succeeded, in microseconds from 1970

	turn chan struct{} // holds a token while no flush runs
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu      sync.Mutex
	pending uses
	writing uses // what a flush is writing now
}

func newUsage(st store.Store, log *slog.Logger, now func() time.Time) *usage {
	u := &usage{
		store: st, log: log, now: now,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		pending: newUses(),
	}
	u.turn <- struct{}{}
	u.written.Store(u.now().UnixMicro())
	go u.run()
	return u
}

func (u *usage) run() {
	defer close(u.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	pruned := time.Time{}
	for {
		select {
		case <-u.stop:
			return
		case <-tick.C:
		case <-u.wake:
		}
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		if err := u.flush(ctx); err != nil {
			u.log.Warn("the use of keys could not be written and is kept in memory", "error", err)
		}
		if time.Since(pruned) >= pruneEvery {
			pruned = time.Now()
			if err := u.prune(ctx); err != nil {
				u.log.Warn("old records of use could not be removed", "error", err)
			}
		}
		cancel()
	}
}

// close stops the goroutine and writes what is left.
func (u *usage) close(ctx context.Context) error {
	var err error
	u.once.Do(func() {
		close(u.stop)
		select {
		case <-u.done:
			err = u.flush(ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
	})
	return err
}

// record notes a use.
func (u *usage) record(keyID string, version int, at time.Time, from Origin) {
	u.mu.Lock()
	before := u.pending.entries
	u.pending.call(keyID, version, at, from)
	nudge := u.pending.full() || before < entriesMax/2 && u.pending.entries >= entriesMax/2
	u.mu.Unlock()
	if nudge {
		select {
		case u.wake <- struct{}{}: // the goroutine flushes soon
		default:
		}
	}
}

// last moves the last use of a secret, and that of its key, forward to what is not written yet.
func (u *usage) last(keyID string, version int, secret, key *time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writing.last(keyID, version, secret, key)
	u.pending.last(keyID, version, secret, key)
}

// hold keeps any flush from running until release is called: what is pending is then neither written nor being written.
func (u *usage) hold(ctx context.Context) (release func(), err error) {
	select {
	case <-u.turn:
		return func() { u.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// unwritten returns the use of a key that is not written yet. The caller holds u.
func (u *usage) unwritten(keyID string) store.KeyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.pending.copyOf(keyID)
}

// flush writes all that was recorded before it was called. What can't be written is kept.
func (u *usage) flush(ctx context.Context) error {
	release, err := u.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	list := u.take()
	written := 0
	for written < len(list) && err == nil {
		batch := list[written:min(written+flushBatch, len(list))]
		err = u.store.Update(ctx, func(tx store.Tx) error { return tx.RecordUses(batch) })
		if err == nil {
			written += len(batch)
		}
	}
	u.putBack(list[written:])
	if err == nil {
		u.written.Store(u.now().UnixMicro())
	}
	return err
}

// take moves pending to writing and returns it as a list.
func (u *usage) take() []store.KeyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending.lost > 0 {
		u.log.Warn("more keys were used at once than use tracking holds", "calls_passed_over", u.pending.lost)
	}
	u.writing, u.pending = u.pending, newUses()
	list := make([]store.KeyUse, 0, len(u.writing.byKey))
	for _, k := range u.writing.byKey {
		list = append(list, *k)
	}
	return list
}

// putBack ends the writing and takes what is left of it up again.
func (u *usage) putBack(left []store.KeyUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writing = uses{}
	for _, k := range left {
		u.pending.merge(k)
	}
}

// prune removes a bounded number of rows that no one asks for any more.
func (u *usage) prune(ctx context.Context) error {
	now := u.now()
	kept := now.Add(-useKept)
	age := store.Age{
		Minute: minuteOf(kept), Callers: kept, Answers: now, Grants: now, Tries: now.Add(-triesKept), Ended: now.Add(-endedKept),
		Idle: now.Add(-IdleLimit - endedKept),
	}
	for range pruneBatches {
		most := 0
		err := u.store.Update(ctx, func(tx store.Tx) (err error) {
			most, err = tx.Prune(age, pruneRows)
			return err
		})
		if err != nil || most < pruneRows {
			return err
		}
	}
	return nil
}
