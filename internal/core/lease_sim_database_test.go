package core

import (
	"context"
	"errors"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

var errSimulated = errors.New("simulated")

// wire is the way of a call to the database or back: mostly a millisecond, at times long, at times it is cut.
func (n *node) wire(ctx context.Context) error {
	n.s.mu.Lock()
	p := n.s.random.Float64() / n.worse
	took := time.Duration(n.s.random.IntN(3_000_000))
	if p < 0.01 {
		took = time.Duration(n.s.random.Int64N(int64(4 * time.Second)))
	}
	cut := n.s.random.Float64()/n.worse < 0.003
	n.s.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return ctx.Err()
	}
	if cut {
		return errSimulated
	}
	return nil
}

// call makes a call to the database. The caller may give up while it is under way: it happens all the same.
func call[T any](ctx context.Context, n *node, fn func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	n.s.calls.Go(func() {
		var a answer
		if a.err = n.wire(context.WithoutCancel(ctx)); a.err == nil {
			n.s.mu.Lock()
			a.value, a.err = fn()
			n.s.mu.Unlock()
			a.err = errors.Join(a.err, n.wire(context.WithoutCancel(ctx)))
		}
		done <- a
	})
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

type nothing struct{}

func (n *node) join(ctx context.Context, r store.Replica) error {
	_, err := call(ctx, n, func() (nothing, error) {
		n.s.replicas[r.ID] = &r
		return nothing{}, nil
	})
	return err
}

// same reads and renews at one moment, as one statement does.
func (n *node) same(ctx context.Context, id string, seen int64) (bool, error) {
	return call(ctx, n, func() (bool, error) {
		r := n.s.replicas[id]
		if r == nil || r.Applied != seen || n.s.n != seen {
			return false, nil
		}
		r.Renewals++
		return true, nil
	})
}

// beat applies what it read before it commits the renewal, as storeFleet does.
func (n *node) beat(ctx context.Context, id string, seen int64, apply func(news)) error {
	heard, err := call(ctx, n, func() (news, error) { return newsAfter(simulatedTx{s: n.s}, seen) })
	if err != nil {
		return err
	}
	apply(heard)
	_, err = call(ctx, n, func() (nothing, error) {
		r := n.s.replicas[id]
		if r == nil {
			return nothing{}, store.ErrNotFound
		}
		r.Applied, r.Renewals = heard.last, r.Renewals+1
		return nothing{}, nil
	})
	return err
}

// simulatedTx reads the log.
type simulatedTx struct {
	store.Tx

	s *simulation
}

// LastChange implements store.Tx.
func (t simulatedTx) LastChange() (int64, error) { return t.s.n, nil }

// KeyChanges implements store.Tx.
func (t simulatedTx) KeyChanges() (store.KeyChanges, error) {
	return store.KeyChanges{Changed: t.s.n}, nil
}

// ChangesSince implements store.Tx.
func (t simulatedTx) ChangesSince(n int64, _ int) (list []store.Change, err error) {
	for _, c := range t.s.log {
		if c.N > n {
			list = append(list, c)
		}
	}
	if !t.s.careless && (len(list) == 0 || list[0].N != n+1) {
		t.s.gone++
		return nil, store.ErrChangesGone
	}
	return list, nil
}

// prune removes changes up to a number, and often later ones: the database's clock may have been set forward, and the number be of a
// moment that is long gone.
func (n *node) prune(ctx context.Context, upto int64) (bool, error) {
	return call(ctx, n, func() (bool, error) {
		upto = max(upto, n.s.n-n.s.random.Int64N(10))
		for len(n.s.log) > 0 && n.s.log[0].N <= upto {
			n.s.log = n.s.log[1:]
		}
		return false, nil
	})
}

func (n *node) members(ctx context.Context) ([]store.Replica, int64, error) {
	type seen struct {
		all  []store.Replica
		last int64
	}
	a, err := call(ctx, n, func() (s seen, err error) {
		for _, r := range n.s.replicas {
			s.all = append(s.all, *r)
		}
		s.last = n.s.n
		return s, nil
	})
	return a.all, a.last, err
}

func (n *node) remove(ctx context.Context, id string, renewals int64) error {
	_, err := call(ctx, n, func() (nothing, error) {
		if r := n.s.replicas[id]; r == nil || r.Renewals != renewals {
			return nothing{}, store.ErrNotFound
		}
		delete(n.s.replicas, id)
		return nothing{}, nil
	})
	return err
}
