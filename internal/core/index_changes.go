package core

import (
	"slices"

	"github.com/keyfob/keyfob/internal/store"
)

// advance takes out of the index what has changed up to n. What this process did itself, and is about to settle, is known key by
// key; of what another did, only the count is.
func (x *index) advance(n store.KeyChanges) {
	for _, t := range x.pending {
		if t.before == x.seen && !countedAfter(t.after, n) {
			t.seen = true
			x.dropAll(t.changed)
			x.known.add(t.added) // before it is asked about them: digests that took others' places are nobody's new secrets
			x.seen = t.after
		}
	}
	if !countedAfter(n, x.seen) {
		return
	}
	if n.Changed > x.seen.Changed {
		x.clear()
	}
	if n.Added > x.seen.Added {
		x.known.distrust()
	}
	x.seen = n
}

// countedAfter says that a was counted after b.
func countedAfter(a, b store.KeyChanges) bool { return a.Changed > b.Changed || a.Added > b.Added }

// apply takes out of the index what a replica heard has changed, and has known what was added.
func (x *index) apply(n news) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n.whole {
		x.clear()
	}
	x.dropAll(n.secrets)
	x.known.add(n.secrets)
	if n.blank || n.counted.Added > x.seen.Added+n.added {
		x.known.distrust()
	}
	if countedAfter(n.counted, x.seen) {
		x.seen = n.counted
	}
}

func (x *index) dropAll(digests [][32]byte) {
	for _, d := range digests {
		x.holds.drop(d)
	}
}

// settle takes what a transaction changed out of the index, once it was committed or may have been. No transaction: it never began.
//
// What the transaction found was committed, though who did it may not have settled it yet. Nobody is answered before the index goes by
// it, not even who changed nothing: to disable a key that another is just disabling is a promise, too.
func (x *index) settle(t *touching, failed error) {
	switch {
	case t == nil:
		return
	case failed != nil:
		x.undone(t)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(t)
	x.advance(t.before)
	x.known.add(t.added)
	x.dropAll(t.changed)
	if countedAfter(t.after, x.seen) { // else a later transaction, or a check, was here first
		x.seen = t.after
	}
}

// undone says that a transaction failed, or is about to be run again. What it found may have been undone with it, so it is not taken
// for what the store holds: the next check asks.
func (x *index) undone(t *touching) {
	if t == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(t)
	x.known.add(t.added)
	x.dropAll(t.changed)
	x.doubts++
	x.fresh.Store(0)
	if t.seen { // another process counted just as far
		x.clear()
		x.known.distrust()
	}
}

// expect has what a transaction changed known before it is committed, so that it is not taken for the work of another process.
func (x *index) expect(t *touching) {
	if t.before == t.after {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pending = append(x.pending, t)
}

func (x *index) forget(t *touching) {
	x.pending = slices.DeleteFunc(x.pending, func(p *touching) bool { return p == t })
}
