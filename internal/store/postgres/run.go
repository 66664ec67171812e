package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keyfob/keyfob/internal/store"
)

var (
	// errStale: a connection of the pool had ended, unnoticed, before anything was done on it.
	errStale = errors.New("the connection had ended")
	// errConflict: the transaction met another and was undone.
	errConflict = errors.New("the transaction met another")
)

// View implements store.Store. A snapshot is of the order in which changes were committed, so it needs no more than that: it takes
// no lock and can't conflict.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.run(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// Update implements store.Store. The first try runs beside others. One that met another is run again, alone in this process, so
// that only other processes can be in its way: many that want the same row queue up instead of undoing each other. For a while after
// that all others do so at once: where changes meet, they mostly go on meeting.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	for try := 0; ; try++ {
		weight := int64(1)
		if try > 0 || s.met.lately() {
			weight = everyone
		}
		if err := s.gate.Acquire(ctx, weight); err != nil {
			return s.tooLong(outer, err)
		}
		err := s.run(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, fn)
		s.gate.Release(weight)
		if !errors.Is(err, errConflict) {
			return s.tooLong(outer, err)
		}
		s.met.note()
		if waitErr := pause(ctx, try); waitErr != nil {
			return s.tooLong(outer, err)
		}
	}
}

// meetings is when transactions met last.
type meetings struct {
	start time.Time
	until atomic.Int64 // for how long from start others are to run alone
}

const aloneFor = 200 * time.Millisecond

func (m *meetings) note() { m.until.Store(int64(time.Since(m.start) + aloneFor)) }

func (m *meetings) lately() bool { return int64(time.Since(m.start)) < m.until.Load() }

// tooLong tells a transaction that took longer than any may from one whose caller waits no more.
func (s *Store) tooLong(outer context.Context, err error) error {
	if err != nil && outer.Err() == nil && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, store.ErrBusy) {
		return fmt.Errorf("database %s: it took too long: %w: %w", s.name, store.ErrBusy, err)
	}
	return err
}

// pause waits a random while, the longer the more tries there were, so that processes get out of step.
func pause(ctx context.Context, try int) error {
	const first, most = 2 * time.Millisecond, 100 * time.Millisecond
	timer := time.NewTimer(rand.N(min(first<<min(try, 10), most)) + time.Microsecond) //nolint:gosec // no secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// run runs fn in one transaction, on the first connection that turns out to be alive.
func (s *Store) run(ctx context.Context, opts pgx.TxOptions, fn func(store.Tx) error) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	return s.tooLong(outer, s.again(ctx, func() error {
		conn, t, err := s.begin(ctx, opts)
		if err != nil {
			return err
		}
		defer conn.Release()
		return s.finish(ctx, t, fn)
	}))
}

// again calls fn until it answers something else than errStale: a server that was started again leaves a pool of connections
// behind that have all ended.
func (s *Store) again(ctx context.Context, fn func() error) error {
	for range s.pool.Config().MaxConns + 1 {
		if err := fn(); !errors.Is(err, errStale) {
			return err
		}
	}
	return s.unreachable(ctx, errStale)
}

func (s *Store) begin(ctx context.Context, opts pgx.TxOptions) (*pgxpool.Conn, pgx.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	short, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(short)
	if err != nil {
		return nil, nil, s.unreachable(ctx, err)
	}
	t, err := conn.BeginTx(ctx, opts)
	if err == nil {
		return conn, t, nil
	}
	conn.Release()
	if isLost(err) && ctx.Err() == nil {
		return nil, nil, errStale
	}
	return nil, nil, s.unreachable(ctx, err)
}

// finish runs fn and commits what it did, or undoes it.
func (s *Store) finish(ctx context.Context, t pgx.Tx, fn func(store.Tx) error) error {
	// Whoever waits no longer must not leave the connection, or the outcome, in doubt.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout+endTimeout)
	defer cancel()
	defer func() { _ = t.Rollback(end) }() // answers ErrTxClosed after a commit
	mine := newTx(ctx, t)
	err := fn(mine)
	switch {
	case isConflict(mine.broken): // whatever fn made of it
		return fmt.Errorf("%w: %w", errConflict, s.explain(mine.broken))
	case err == nil && mine.broken != nil:
		err = mine.broken
	case err == nil:
		err = ctx.Err()
	}
	if err != nil {
		if mine.broken != nil && isLost(mine.broken) {
			return s.unreachable(ctx, err)
		}
		return s.fault(ctx, err)
	}
	return s.commit(ctx, t)
}

func (s *Store) commit(ctx context.Context, t pgx.Tx) error {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	switch err := t.Commit(end); {
	case err == nil:
		return nil
	case isConflict(err):
		return fmt.Errorf("%w: %w", errConflict, s.explain(err))
	case errors.Is(err, pgx.ErrTxCommitRollback), !isLost(err): // the server says that it did not
		return s.fault(ctx, err)
	default:
		return fmt.Errorf("database %s: %w: %w", s.name, store.ErrUnknown, err)
	}
}
