package sqlite

import (
	"context"
	"errors"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	// togetherMost and togetherFor bound what is committed together, and so for how long the first waits for the last.
	togetherMost = 64
	togetherFor  = 10 * time.Millisecond
	// togetherTimeout bounds a transaction that is nobody's own.
	togetherTimeout = 15 * time.Second
)

// write is a call of Update.
type write struct {
	ctx  context.Context
	fn   func(store.Tx) error
	done chan struct{} // closed when err and panicked say how it ended

	err      error
	panicked any
}

// queue is the calls of Update that wait for the one that writes. To sync the disk takes longer than most changes do: those that have
// waited together share one transaction and one sync, each behind a savepoint of its own.
type queue struct {
	mu      sync.Mutex
	writing bool
	waiting []*write
}

// enter says whether the caller may write at once; else w waits.
func (q *queue) enter(w *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.writing {
		q.writing = true
		return true
	}
	q.waiting = append(q.waiting, w)
	return false
}

// next takes the one that waits for longest; nil: none does.
func (q *queue) next() *write {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	w := q.waiting[0]
	q.waiting = q.waiting[1:]
	return w
}

// empty says that nobody waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0
}

// leave takes w out again, unless its turn has come.
func (q *queue) leave(w *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.waiting {
		if other == w {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// end says that nobody writes any more, if nobody waits.
func (q *queue) end() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = len(q.waiting) > 0
	return !q.writing
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	w := &write{ctx: ctx, fn: fn, done: make(chan struct{})}
	if s.queue.enter(w) {
		defer s.writeNext() //nolint:contextcheck // it is for others
		return s.write(ctx, fn)
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if s.queue.leave(w) {
			return ctx.Err()
		}
		<-w.done
	}
	if w.panicked != nil {
		panic(w.panicked)
	}
	return w.err
}

func (s *Store) writeNext() {
	if !s.queue.end() {
		go s.writeWaiting()
	}
}

// write runs fn in a transaction of its own.
func (s *Store) write(ctx context.Context, fn func(store.Tx) error) error {
	return s.run(ctx, s.writer, nil, s.often.get(ctx, s.writer), &s.often, fn)
}

// writeWaiting writes for those who wait until nobody does.
func (s *Store) writeWaiting() {
	for {
		w := s.queue.next()
		switch {
		case w == nil && s.queue.end():
			return
		case w == nil:
		case s.queue.empty():
			s.writeOne(w)
		default:
			s.writeTogether(w)
		}
	}
}

func (s *Store) writeOne(w *write) {
	defer close(w.done)
	defer func() { w.panicked = recover() }()
	if w.err = w.ctx.Err(); w.err == nil {
		w.err = s.write(w.ctx, w.fn)
	}
}

// writeTogether writes first and those who wait in one transaction. If that can't be, each is tried by itself: what failed for one
// reason must not fail the others, and what one found in the changes of another holds only if those are kept.
func (s *Store) writeTogether(first *write) {
	ctx, cancel := context.WithTimeout(context.Background(), togetherTimeout)
	defer cancel()
	var all []*write
	began := time.Now()
	err := s.write(ctx, func(x store.Tx) error {
		shared := x.(*tx) //nolint:forcetypeassert // run hands out no other
		for w := first; w != nil; w = s.queue.next() {
			all = append(all, w)
			if err := shared.member(w); err != nil {
				return err
			}
			if len(all) == togetherMost || time.Since(began) > togetherFor {
				break
			}
		}
		return nil
	})
	switch {
	case err == nil:
		for _, w := range all {
			close(w.done)
		}
	case len(all) == 0: // it never began: who waits would wait as long as first did, and be told the same
		for w := first; w != nil; w = s.queue.next() {
			w.err = err
			close(w.done)
		}
	default:
		for _, w := range all {
			s.writeOne(w)
		}
	}
}

// member runs w behind a savepoint. It answers an error if that leaves the transaction in doubt.
func (t *tx) member(w *write) error {
	if _, err := t.Run("change", "SAVEPOINT member"); err != nil {
		return err
	}
	w.call(t)
	if _, ok := errors.AsType[*sqlite.Error](w.err); ok { // of some SQLite undoes the whole transaction
		return w.err
	}
	if w.err != nil || w.panicked != nil {
		if _, err := t.Run("change", "ROLLBACK TO member"); err != nil {
			return err
		}
	}
	_, err := t.Run("change", "RELEASE member")
	return err
}

// call runs w's function. Statements run to their end: one that is interrupted undoes the whole transaction.
func (w *write) call(shared *tx) {
	defer func() { w.panicked = recover() }()
	own := newTx(shared.ctx, shared.tx, shared.prepared, shared.again)
	own.caller = w.ctx
	if w.err = w.fn(own); w.err == nil {
		w.err = w.ctx.Err()
	}
}
