package core

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
)

// countedStore counts what leases ask, and times the transactions of changes.
type countedStore struct {
	*postgres.Store

	renewals, beats, looks atomic.Int64
	trips                  *tripCounter    // nil: they are not counted
	took                   []time.Duration // of one caller, who is timed
	made                   []int64         // round trips of the same, and of whoever comes between
}

type timedKey struct{}

func timed(ctx context.Context) context.Context { return context.WithValue(ctx, timedKey{}, true) }

func (s *countedStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if ctx.Value(timedKey{}) == nil {
		return s.Store.Update(ctx, fn)
	}
	began, before := time.Now(), s.trips.count()
	err := s.Store.Update(ctx, fn)
	s.took, s.made = append(s.took, time.Since(began)), append(s.made, s.trips.count()-before)
	return err
}

func (s *countedStore) Apart() store.Store {
	return countedApart{s.Store.Apart().(*postgres.Store), s} //nolint:forcetypeassert // it has no other
}

type countedApart struct {
	*postgres.Store

	of *countedStore
}

func (s countedApart) Renew(ctx context.Context, id string, applied int64) (bool, error) {
	renewed, err := s.Store.Renew(ctx, id, applied)
	if renewed {
		s.of.renewals.Add(1)
	}
	return renewed, err
}

func (s countedApart) Members(ctx context.Context) ([]store.Replica, int64, error) {
	s.of.looks.Add(1)
	return s.Store.Members(ctx)
}

func (s countedApart) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.of.beats.Add(1)
	return s.Store.Update(ctx, fn)
}
