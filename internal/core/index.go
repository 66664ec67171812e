package core

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	// indexLease is for how long the index is trusted without asking the store whether another process changed a key.
	indexLease = 50 * time.Millisecond
	// indexTimeout bounds what a check waits for the store.
	indexTimeout = 5 * time.Second
	// indexMax bounds the secrets in the index. A million of them weigh about 300 MB.
	indexMax = 1 << 20
)

// index keeps what checks of keys found in the store, by the digest of the secret, so that the next check asks no more.
//
// It is never behind a change that was acknowledged: a transaction of this process that changes a key takes it out of the index
// before Service.update returns, and what was read from the store stays only if the store has counted no change since
// (store.Tx.KeyChanges). Changes by another process are seen by that count, too, which is asked for once a lease; without an
// answer every check fails. Secrets that open nothing are not kept: there is no end of them.
type index struct {
	view  func(context.Context, func(store.Tx) error) error
	start time.Time    // what fresh counts from
	fresh atomic.Int64 // the end of the lease

	renewing sync.Mutex

	mu    sync.RWMutex
	seen  int64 // the count of changes that all that is kept is of
	holds map[[32]byte]*hold
	byKey map[string]*hold // those of one key, linked
	orgs  map[string]*Org  // so that the keys of an org share it
}

func newIndex(view func(context.Context, func(store.Tx) error) error) *index {
	x := &index{view: view, start: time.Now()}
	x.clear()
	return x
}

func (x *index) clear() {
	x.holds, x.byKey, x.orgs = map[[32]byte]*hold{}, map[string]*hold{}, map[string]*Org{}
}

// hold returns what a check needs to know of the secret with this digest; nil: it opens nothing.
func (x *index) hold(ctx context.Context, digest [32]byte) (*hold, error) {
	if int64(time.Since(x.start)) >= x.fresh.Load() {
		if err := x.renew(ctx); err != nil {
			return nil, err
		}
	}
	x.mu.RLock()
	h := x.holds[digest]
	x.mu.RUnlock()
	if h != nil {
		return h, nil
	}
	return x.read(ctx, digest)
}

// renew asks the store how many changes it has counted, for a new lease.
func (x *index) renew(ctx context.Context) error {
	x.renewing.Lock()
	defer x.renewing.Unlock()
	began := int64(time.Since(x.start))
	if began < x.fresh.Load() {
		return nil // another check did
	}
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	var n int64
	err := x.view(ctx, func(tx store.Tx) (err error) {
		n, err = tx.KeyChanges()
		return err
	})
	if err != nil {
		return err
	}
	x.mu.Lock()
	if n > x.seen {
		x.clear()
		x.seen = n
	}
	x.mu.Unlock()
	x.fresh.Store(began + int64(indexLease))
	return nil
}

// read asks the store for a secret and keeps what it says, if nothing has changed since.
func (x *index) read(ctx context.Context, digest [32]byte) (*hold, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	var (
		found store.Holder
		n     int64
	)
	err := x.view(ctx, func(tx store.Tx) (err error) {
		if found, err = holder(tx, digest); err != nil {
			return err
		}
		n, err = tx.KeyChanges()
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // it opens nothing
	}
	if err != nil {
		return nil, err
	}
	h := holdOf(found)
	if h != nil {
		x.keep(digest, h, n)
	}
	return h, nil
}

// keep adds what was read when the store had counted n changes.
func (x *index) keep(digest [32]byte, h *hold, n int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n != x.seen || x.holds[digest] != nil {
		return
	}
	if len(x.holds) >= indexMax {
		for _, any := range x.holds { // of a map's order: any one
			x.drop(any.keyID)
			break
		}
	}
	if org := x.orgs[h.org.ID]; org != nil {
		h.org = org
	} else {
		x.orgs[h.org.ID] = h.org
	}
	h.digest, h.next = digest, x.byKey[h.keyID]
	x.holds[digest], x.byKey[h.keyID] = h, h
}

func (x *index) drop(keyID string) {
	for h := x.byKey[keyID]; h != nil; h = h.next {
		delete(x.holds, h.digest)
	}
	delete(x.byKey, keyID)
}

// settle takes what a transaction changed out of the index, once it was committed or may have been.
func (x *index) settle(t *touching, failed error) {
	if t.after == t.before && failed == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range t.keys {
		x.drop(id)
	}
	switch {
	case failed != nil: // the next check asks the store what became of it
		if len(t.keys) > 0 {
			x.fresh.Store(0)
		}
	case t.after <= x.seen: // a later transaction, or a check, was here first
	case t.before == x.seen && len(t.keys) > 0:
		x.seen = t.after
	default: // another process changed keys meanwhile
		x.clear()
		x.seen = t.after
	}
}

// touching notes which keys a transaction changes.
type touching struct {
	store.Tx

	before, after int64 // what the store had counted
	keys          []string
}

// run runs fn as a transaction that notes what it changes.
func (t *touching) run(tx store.Tx, fn func(store.Tx) error) (err error) {
	*t = touching{Tx: tx}
	if t.before, err = tx.KeyChanges(); err != nil {
		return err
	}
	t.after = t.before
	if err := fn(t); err != nil {
		return err
	}
	t.after, err = tx.KeyChanges()
	return err
}

// UpdateKey implements store.Tx.
func (t *touching) UpdateKey(k store.Key) error {
	t.keys = append(t.keys, k.ID)
	return t.Tx.UpdateKey(k)
}

// DeleteKey implements store.Tx.
func (t *touching) DeleteKey(k store.Key, at time.Time) error {
	t.keys = append(t.keys, k.ID)
	return t.Tx.DeleteKey(k, at)
}

// ChangeSecret implements store.Tx.
func (t *touching) ChangeSecret(s store.Secret, from string) error {
	t.keys = append(t.keys, s.KeyID)
	return t.Tx.ChangeSecret(s, from)
}

// RetireSecret implements store.Tx.
func (t *touching) RetireSecret(keyID string, version int, at time.Time) error {
	t.keys = append(t.keys, keyID)
	return t.Tx.RetireSecret(keyID, version, at)
}
