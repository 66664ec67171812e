package core

import (
	"context"
	"time"
)

type effectKey struct{}

// WithEffect has told be called before a change returns, with how many replicas go by it and since when: every one that may answer. A
// service that is alone on its store does not call it.
func WithEffect(ctx context.Context, told func(replicas int, at time.Time)) context.Context {
	return context.WithValue(ctx, effectKey{}, told)
}

func tellEffect(ctx context.Context, replicas int, at time.Time) {
	if told, ok := ctx.Value(effectKey{}).(func(int, time.Time)); ok {
		told(replicas, at)
	}
}

// IsReplica says that the service is one of several on its store.
func (s *Service) IsReplica() bool { return s.replica != nil }
