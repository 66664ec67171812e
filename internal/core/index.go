package core

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	// indexLease is for how long the index is trusted without asking the store whether another process changed a key.
	indexLease = 50 * time.Millisecond
	// indexTimeout bounds what a check waits for the store.
	indexTimeout = 5 * time.Second
)

// index keeps what checks of keys found in the store, by the digest of the secret, so that the next check asks no more.
//
// It is never behind a change that was acknowledged: a transaction of this process that changes a key takes it out of the index
// before Service.update returns, and what was read from the store stays only if the store has counted no change since
// (store.KeyChanges). Changes by another process are seen by that count, too, which is asked for once a lease; without an answer
// every check fails. Secrets that the store does not know are not kept: there is no end of them, and known tells them.
type index struct {
	view    func(context.Context, func(store.Tx) error) error
	peppers *peppers
	known   *known
	moves   *moves
	lease   *lease       // of a replica; nil: this service is alone on its store
	start   time.Time    // what fresh counts from
	fresh   atomic.Int64 // the end of the lease

	stop context.CancelFunc // ends the filling of known
	done chan struct{}

	renewing sync.Mutex

	mu      sync.RWMutex
	seen    store.KeyChanges // the counts that all that is kept is of
	holds   *holds
	pending []*touching // transactions that changed keys and may be committed by now
	doubts  int         // how many transactions there were of which it is not known what the store holds of them
}

func newIndex(view func(context.Context, func(store.Tx) error) error, p *peppers) *index {
	x := &index{
		view: view, peppers: p, known: newKnown(), moves: &moves{}, start: time.Now(), stop: func() {}, done: make(chan struct{}), holds: newHolds(),
	}
	close(x.done)
	return x
}

// remember begins to fill known; close ends that.
func (x *index) remember() {
	var ctx context.Context
	ctx, x.stop = context.WithCancel(context.Background())
	x.done = make(chan struct{})
	go func() {
		defer close(x.done)
		x.known.run(ctx, x)
	}()
}

func (x *index) close() {
	x.stop()
	<-x.done
}

func (x *index) clear() { x.holds = newHolds() }

// hold returns what a check needs to know of a secret.
func (x *index) hold(ctx context.Context, presented secret.Secret) (hold, error) {
	switch {
	case x.lease != nil:
		if !x.lease.valid() {
			return hold{}, errStale()
		}
	case int64(time.Since(x.start)) >= x.fresh.Load():
		if err := x.renew(ctx); err != nil {
			return hold{}, err
		}
	}
	all := x.peppers.named.Load().all
	digest := all[0].secrets.Digest(presented)
	x.mu.RLock()
	h, found := x.holds.get(digest)
	x.mu.RUnlock()
	if found {
		return h, nil
	}
	excluded := x.known.excludes(digest)
	for _, older := range all[1:] {
		under := older.secrets.Digest(presented)
		x.mu.RLock()
		h, found = x.holds.get(under)
		x.mu.RUnlock()
		if found {
			x.moves.note(all[0], store.Move{From: under, To: digest})
			return h, nil
		}
		excluded = excluded && x.known.excludes(under)
	}
	if excluded {
		return hold{}, nil
	}
	return x.read(ctx, presented)
}

// renew asks the store what it has counted, for a new lease.
func (x *index) renew(ctx context.Context) error {
	x.renewing.Lock()
	defer x.renewing.Unlock()
	if int64(time.Since(x.start)) < x.fresh.Load() {
		return nil // another check did
	}
	return x.ask(ctx)
}

// catchUp is renew, whether or not the lease has ended. A replica waits until it has heard of all that the store has counted by now.
func (x *index) catchUp(ctx context.Context) error {
	if x.lease != nil {
		return x.hear(ctx)
	}
	x.renewing.Lock()
	defer x.renewing.Unlock()
	return x.ask(ctx)
}

func (x *index) hear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	var n store.KeyChanges
	err := x.view(ctx, func(tx store.Tx) (err error) {
		n, err = tx.KeyChanges()
		return err
	})
	for ; err == nil; err = ctx.Err() {
		x.mu.RLock()
		behind := countedAfter(n, x.seen)
		x.mu.RUnlock()
		if !behind {
			return nil
		}
		x.lease.nudge()
		wait(ctx, askMost)
	}
	return err
}

func (x *index) ask(ctx context.Context) error {
	began := int64(time.Since(x.start))
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	x.mu.RLock()
	doubts := x.doubts
	x.mu.RUnlock()
	var n store.KeyChanges
	err := x.view(ctx, func(tx store.Tx) (err error) {
		if n, err = tx.KeyChanges(); err == nil {
			_, err = x.peppers.asOf(tx, n.Changed)
		}
		return err
	})
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.advance(n)
	if x.doubts == doubts { // else what came up meanwhile may be of later
		x.fresh.Store(began + int64(indexLease))
	}
	return nil
}

// read asks the store for a secret, under each pepper that it names then, and keeps what it says, if nothing has changed since.
func (x *index) read(ctx context.Context, presented secret.Secret) (hold, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	var (
		found  store.Holder
		n      store.KeyChanges
		digest [32]byte
		newest *pepper
		under  *pepper
	)
	err := x.view(ctx, func(tx store.Tx) (err error) {
		if n, err = tx.KeyChanges(); err != nil {
			return err
		}
		set, err := x.peppers.asOf(tx, n.Changed)
		if err != nil {
			return err
		}
		newest = set.all[0]
		for _, under = range set.all {
			digest = under.secrets.Digest(presented)
			if found, err = holder(tx, digest); !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return hold{}, nil
	}
	if err != nil {
		return hold{}, err
	}
	h := holdOf(found)
	x.keep(digest, h, n)
	if under != newest {
		x.moves.note(newest, store.Move{From: digest, To: newest.secrets.Digest(presented)})
	}
	return h, nil
}

// keep adds what was read when the store had counted n. A replica that is yet to hear of some of that will drop it then.
func (x *index) keep(digest [32]byte, h hold, n store.KeyChanges) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n.Changed == x.seen.Changed || x.lease != nil && n.Changed > x.seen.Changed {
		x.holds.put(digest, h)
	}
}
