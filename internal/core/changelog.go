package core

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// The log of changes is for replicas that renew their leases four times a second: one that is further behind than it goes back begins
// with an empty memory. So it is kept for a while only.
const (
	changesKept    = 10 * time.Minute
	changesEvery   = time.Minute
	changesBatch   = 5000 // a transaction
	changesBatches = 20   // a run
)

// pruneChanges removes old changes now and then, until ctx ends. Replicas do so at times of their own.
func pruneChanges(ctx context.Context, f fleet, log *slog.Logger) {
	for {
		wait(ctx, changesEvery/2+rand.N(changesEvery)) //nolint:gosec // no secret
		if ctx.Err() != nil {
			return
		}
		if err := forget(ctx, f); err != nil && ctx.Err() == nil {
			log.Warn("the log of changes could not be cut: it grows", "error", err)
		}
	}
}

// forget removes from the log what no replica asks for any more.
func forget(ctx context.Context, f fleet) error {
	ctx, cancel := context.WithTimeout(ctx, changesEvery/2)
	defer cancel()
	members, _, err := f.members(ctx)
	if err != nil {
		return err
	}
	upto := needless(members)
	for range changesBatches {
		if more, err := f.prune(ctx, upto); err != nil || !more {
			return err
		}
	}
	return nil
}

// needless is the number of the last change that all replicas have applied, but those that joined and begin with an empty memory, and
// those that have not renewed their lease for as long as changes are kept: when they do, they find that changes are gone. 0: none.
func needless(all []store.Replica) (upto int64) {
	var newest time.Time // the database's clock, more or less: who asks has renewed its lease just now
	for _, m := range all {
		if m.SeenAt.After(newest) {
			newest = m.SeenAt
		}
	}
	first := true
	for _, m := range all {
		if m.Renewals == 0 || newest.Sub(m.SeenAt) >= changesKept {
			continue
		}
		if first || m.Applied < upto {
			upto, first = m.Applied, false
		}
	}
	return upto
}

func (f storeFleet) prune(ctx context.Context, upto int64) (more bool, err error) {
	if upto == 0 {
		return false, nil
	}
	err = f.store.Update(ctx, func(tx store.Tx) error {
		n, err := tx.PruneChanges(upto, changesKept, changesBatch)
		more = n == changesBatch
		return err
	})
	return more, err
}
