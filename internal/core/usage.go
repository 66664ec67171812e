package core

import (
	"context"
	"hash/maphash"
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

	adoptTimeout = 2 * time.Minute // for the use of hundreds of thousands of keys that another process left behind

	recordBatch = 500 // keys a transaction of a UseWriter, which holds up nothing but changes of those keys

	foldAtOnce = 2_000 // keys whose use is written to their rows without a way through the journal
	foldRounds = 60    // flushes in which what is journalled is folded: five minutes
)

// usage tracks the use of keys: a check must not cost a synced write. Use is counted in memory (fresh) and written every few
// seconds: to the rows of the keys if they are few, else to a journal, a row of which holds thousands of keys. What is journalled is
// kept in memory, too, until it is folded: moved to the keys' rows, in the order of their ids, a few at a time, so that each key's
// rows are written once in some minutes. All that is not in rows is laid over every read, so in one process use is exact.
//
// It also throws away what is too old.
type usage struct {
	store  store.Store
	log    *slog.Logger
	now    func() time.Time
	direct bool                        // write to rows alone, where others read them: a journal is for who is alone on its store
	beside func(context.Context) error // what else is written every few seconds; nil: nothing

	written atomic.Int64 // when a flush last succeeded, in microseconds from 1970
	moved   atomic.Int64 // counts what came into rows, before it is forgotten here

	turn chan struct{} // holds a token while nobody writes
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
	once sync.Once

	// Use goes from each to the next, and is looked for in that order, so that none is missed.
	fresh   *freshUse
	writing *freshUse // what a flush is writing
	kept    *keptUse
	origins *origins

	// Of who has the turn:
	journal journal
	folded  useID // the last key that was folded in this round
	m       merger
	w       runWriter
}

func newUsage(st store.Store, log *slog.Logger, now func() time.Time, direct, adopts bool, beside func(context.Context) error) (*usage, error) {
	seed := maphash.MakeSeed()
	u := &usage{
		store: st, log: log, now: now, direct: direct, beside: beside,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		fresh: newFreshUse(seed), writing: newFreshUse(seed), kept: &keptUse{base: now().UnixMicro()}, origins: newOrigins(),
	}
	if adopts {
		ctx, cancel := context.WithTimeout(context.Background(), adoptTimeout)
		defer cancel()
		if err := u.adopt(ctx); err != nil {
			return nil, err
		}
	}
	u.turn <- struct{}{}
	u.written.Store(u.now().UnixMicro())
	go u.run()
	return u, nil
}

func (u *usage) run() {
	defer close(u.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var (
		pruned time.Time
		fold   pace
	)
	for {
		select {
		case <-u.stop:
			return
		case <-fold.next():
			u.bounded("the journalled use of keys could not be moved on and is kept", func(ctx context.Context) error { return fold.step(ctx, u) })
			continue
		case <-tick.C:
		case <-u.wake:
		}
		u.bounded("the use of keys could not be written and is kept in memory", u.flush)
		u.bounded("the journal of use could not be shortened", u.shorten)
		if u.beside != nil {
			u.bounded("which keys the store needs could not be read, or what is under an older pepper not be moved", u.beside)
		}
		fold.begin(u)
		if time.Since(pruned) >= pruneEvery {
			pruned = time.Now()
			u.bounded("old records of use could not be removed", u.prune)
		}
	}
}

func (u *usage) bounded(failed string, fn func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := fn(ctx); err != nil {
		u.log.Warn(failed, "error", err)
	}
}

// pace spreads folding over the time between two flushes: the writer is free most of it.
type pace struct {
	keys  int // that are left to this flush
	every time.Duration
	timer *time.Timer
}

// begin gives out what is to be folded until the next flush.
func (p *pace) begin(u *usage) {
	_ = u.turns(context.Background(), func() error {
		p.keys = max(foldAtOnce, u.kept.keys/foldRounds)
		if u.kept.keys == 0 {
			p.keys = 0
		}
		return nil
	})
	p.every = flushEvery / time.Duration(p.keys/flushBatch+2)
	p.timer = time.NewTimer(p.every)
}

func (p *pace) next() <-chan time.Time {
	if p.keys <= 0 {
		return nil
	}
	return p.timer.C
}

func (p *pace) step(ctx context.Context, u *usage) error {
	p.keys -= flushBatch
	p.timer.Reset(p.every)
	return u.turns(ctx, func() error {
		if u.journal.owner == "" {
			p.keys = 0
			return nil
		}
		_, err := u.foldSome(ctx)
		if u.kept.keys == 0 {
			p.keys = 0
		}
		return err
	})
}

// close stops the goroutine and writes what is left. What is journalled stays so, if it is much.
func (u *usage) close(ctx context.Context) error {
	var err error
	u.once.Do(func() {
		close(u.stop)
		select {
		case <-u.done:
			err = u.settle(ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
	})
	return err
}

// record notes a use.
func (u *usage) record(keyID string, version int, at time.Time, from Origin) {
	id, ok := useIDOf(keyID)
	if !ok {
		u.fresh.lost.Add(1)
		return
	}
	e := useEntry{id: id, version: uint32(version), at: at.UnixMicro(), calls: 1} //nolint:gosec // never negative
	if u.note(e, from) {
		select {
		case u.wake <- struct{}{}: // the goroutine flushes soon
		default:
		}
	}
}

// last moves the last use of a secret, and that of its key, forward to what is not in rows yet.
func (u *usage) last(keyID string, version int, secret, key *time.Time) {
	var p packedUse
	if !u.lookUp(keyID, &p) {
		return
	}
	for _, use := range p.uses {
		at := timeOfMicros(use.at)
		if int(use.version) == version && at.After(*secret) {
			*secret = at
		}
		if at.After(*key) {
			*key = at
		}
	}
}

// lookUp gathers what is not in rows yet of a key. Calls are exact while the caller holds u, last uses always.
func (u *usage) lookUp(keyID string, p *packedUse) bool {
	id, ok := useIDOf(keyID)
	if !ok {
		return false
	}
	p.reset(id)
	for _, f := range []*freshUse{u.fresh, u.writing} {
		f.of(id, func(e *useEntry) {
			if e.calls > 0 {
				p.addEntry(e)
			}
		})
	}
	u.kept.of(p)
	return true
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

// turns runs fn while nobody else writes.
func (u *usage) turns(ctx context.Context, fn func() error) error {
	release, err := u.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	return fn()
}

// unwritten returns the use of a key that is not in rows yet. The caller holds u.
func (u *usage) unwritten(keyID string) store.KeyUse {
	var p packedUse
	if !u.lookUp(keyID, &p) {
		return store.KeyUse{KeyID: keyID}
	}
	return p.row(u.origins)
}
