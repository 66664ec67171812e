package core

import (
	"context"
	"errors"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
)

// newsMost is how many changes a replica applies one by one; after more it begins anew.
const newsMost = 1000

// Quick is a store that does in one statement what the replicas ask most often.
type Quick interface {
	// Renew is RenewReplica where nothing has changed since the change that the replica has applied; false: something may have, or
	// the replica was removed.
	Renew(ctx context.Context, id string, applied int64) (bool, error)
	// Members is Replicas and LastChange.
	Members(ctx context.Context) (all []store.Replica, last int64, err error)
}

// storeFleet is the replicas on a store.
type storeFleet struct {
	store   store.Store
	peppers *peppers
}

func (f storeFleet) join(ctx context.Context, r store.Replica) error {
	return f.store.Update(ctx, func(tx store.Tx) error { return tx.AddReplica(r) })
}

func (f storeFleet) same(ctx context.Context, id string, seen int64) (bool, error) {
	if quick, ok := f.store.(Quick); ok {
		return quick.Renew(ctx, id, seen)
	}
	return false, nil
}

func (f storeFleet) beat(ctx context.Context, id string, seen int64, apply func(news)) error {
	return f.store.Update(ctx, func(tx store.Tx) error {
		n, err := newsAfter(tx, seen)
		if err != nil {
			return err
		}
		if n.last != seen { // a pepper may be new, and without it there is no lease
			if _, err := f.peppers.asOf(tx, n.counted.Changed); err != nil {
				return err
			}
		}
		apply(n)
		return tx.RenewReplica(id, n.last)
	})
}

// newsAfter reads what has changed after the change of that number; negative: everything.
func newsAfter(tx store.Tx, seen int64) (n news, err error) {
	if n.last, err = tx.LastChange(); err != nil {
		return n, err
	}
	if n.counted, err = tx.KeyChanges(); err != nil {
		return n, err
	}
	if n.last == seen {
		return n, nil
	}
	if seen < 0 || n.last > seen+newsMost {
		n.whole, n.blank = true, true
		return n, nil
	}
	changes, err := tx.ChangesSince(seen, newsMost)
	if errors.Is(err, store.ErrChangesGone) {
		n.whole, n.blank = true, true
		return n, nil
	}
	if err != nil {
		return n, err
	}
	var keys []string
	for _, c := range changes {
		if c.Kind == store.ChangeAdded {
			n.added++
		}
		if c.KeyID == "" {
			n.whole = true
		} else {
			keys = append(keys, c.KeyID)
		}
	}
	if slices.Sort(keys); len(keys) > 0 {
		n.secrets, err = tx.KeyDigests(slices.Compact(keys)...)
	}
	return n, err
}

func (f storeFleet) members(ctx context.Context) (all []store.Replica, last int64, err error) {
	if quick, ok := f.store.(Quick); ok {
		return quick.Members(ctx)
	}
	err = f.store.View(ctx, func(tx store.Tx) (err error) {
		if last, err = tx.LastChange(); err != nil {
			return err
		}
		all, err = tx.Replicas()
		return err
	})
	return all, last, err
}

func (f storeFleet) remove(ctx context.Context, id string, renewals int64) error {
	return f.store.Update(ctx, func(tx store.Tx) error { return tx.RemoveReplica(id, renewals) })
}
