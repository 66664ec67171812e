package core

import (
	"context"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	pruneEvery   = time.Minute
	pruneRows    = 1000 // of a kind a transaction
	pruneBatches = 20   // transactions a run
	useKept      = 25 * time.Hour
	hoursKept    = 90 * 24 * time.Hour
	triesKept    = time.Hour           // longer than any window that they are counted in
	endedKept    = 90 * 24 * time.Hour // sessions and invitations that are over
)

// prune removes a bounded number of rows that no one asks for any more.
func (u *usage) prune(ctx context.Context) error {
	now := u.now()
	kept := now.Add(-useKept)
	age := store.Age{
		Minute: minuteOf(kept), Hour: hourOf(now.Add(-hoursKept)), Callers: kept, Answers: now, Grants: now, Tries: now.Add(-triesKept), Ended: now.Add(-endedKept),
		Idle: now.Add(-IdleLimit - endedKept),
	}
	for range pruneBatches {
		most := 0
		err := u.store.Update(ctx, func(tx store.Tx) (err error) {
			most, err = tx.Prune(age, pruneRows)
			return err
		})
		if err != nil || most < pruneRows {
			return err
		}
	}
	return nil
}
