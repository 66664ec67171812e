package core

import (
	"context"
	"errors"

	"github.com/keyfob/keyfob/internal/store"
)

// newsMost is how many changes a replica applies one by one; after more it begins anew.
const newsMost = 1000

// storeFleet is the replicas on a store.
type storeFleet struct {
	store   store.Store
	flushed *flushNews
}

func (f storeFleet) join(ctx context.Context, r store.Replica) error {
	return f.store.Update(ctx, func(tx store.Tx) error { return tx.AddReplica(r) })
}

func (f storeFleet) beat(ctx context.Context, id string, seen int64, apply func(news)) error {
	return f.store.Update(ctx, func(tx store.Tx) error {
		n, err := newsAfter(tx, seen)
		if err != nil {
			return err
		}
		apply(n)
		if err := tx.RenewReplica(id, n.last); err != nil {
			return err
		}
		return f.flushed.tell(tx, id)
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
		n.whole = true
		return n, nil
	}
	changes, err := tx.ChangesSince(seen, newsMost)
	if n.whole = errors.Is(err, store.ErrChangesGone); n.whole || err != nil {
		return n, ignore(err, store.ErrChangesGone)
	}
	for _, c := range changes {
		switch {
		case c.Kind == store.ChangeAdded: // nobody remembers what was not there
			continue
		case c.KeyID == "":
			n.whole = true
			return n, nil
		}
		secrets, err := tx.KeyDigests(c.KeyID)
		if err != nil {
			return n, err
		}
		n.keys, n.secrets = append(n.keys, c.KeyID), append(n.secrets, secrets...)
	}
	return n, nil
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

func (f storeFleet) members(ctx context.Context) (all []store.Replica, last int64, err error) {
	err = f.store.View(ctx, func(tx store.Tx) error {
		n, err := tx.KeyChanges()
		if err != nil {
			return err
		}
		last = n.Changed
		all, err = tx.Replicas()
		return err
	})
	return all, last, err
}

func (f storeFleet) remove(ctx context.Context, id string, renewals int64) error {
	return f.store.Update(ctx, func(tx store.Tx) error { return tx.RemoveReplica(id, renewals) })
}
