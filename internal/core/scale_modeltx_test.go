package core

import (
	"context"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// modelTx is a transaction: what leases, changes of a key and checks ask.
type modelTx struct {
	store.Tx

	ctx  context.Context
	node *modelNode
	work time.Duration // of the database for one statement

	seen     bool // the snapshot was taken
	counted  bool // what has changed was asked for
	n        int64
	replicas []store.Replica
	changes  string // the key that is changed
	renews   *store.Replica
}

// ask makes round trips; the first one takes the snapshot.
func (t *modelTx) ask(many int) error {
	d := t.node.db
	return t.node.trips(t.ctx, many, t.work, func() {
		if t.seen {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		t.seen, t.n = true, int64(len(d.log))
		for _, r := range d.replicas {
			t.replicas = append(t.replicas, r)
		}
	})
}

// count asks what has changed, once.
func (t *modelTx) count() error {
	if t.counted {
		return nil
	}
	t.counted = true
	return t.ask(tripsCount)
}

func (t *modelTx) LastChange() (int64, error) {
	err := t.count()
	return t.n, err
}

func (t *modelTx) KeyChanges() (store.KeyChanges, error) {
	err := t.count()
	return store.KeyChanges{Changed: t.n}, err
}

func (t *modelTx) ChangesSince(n int64, limit int) ([]store.Change, error) {
	err := t.ask(tripsSince)
	d := t.node.db
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log[n:min(t.n, n+int64(limit))], err
}

func (t *modelTx) KeyDigests(...string) ([][32]byte, error) {
	return [][32]byte{{1}}, t.ask(tripsDigests)
}

func modelMaterial() Material { return Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}} }

func (t *modelTx) Materials() ([]store.Material, error) {
	return []store.Material{{Kind: store.MaterialPepper, ID: PepperID(modelMaterial().Pepper)}}, t.ask(tripsMaterials)
}

func (t *modelTx) Replicas() ([]store.Replica, error) {
	err := t.ask(1)
	d := t.node.db
	d.mu.Lock()
	d.looks++
	d.mu.Unlock()
	return t.replicas, err
}

func (t *modelTx) AddReplica(r store.Replica) error {
	t.renews = &r
	return t.ask(1)
}

func (t *modelTx) RenewReplica(id string, applied int64) error {
	if err := t.ask(tripsRenew); err != nil {
		return err
	}
	d := t.node.db
	d.mu.Lock()
	defer d.mu.Unlock()
	r, found := d.replicas[id]
	if !found {
		return store.ErrNotFound
	}
	r.Applied, r.Renewals = applied, r.Renewals+1
	t.renews = &r
	d.beats++
	return nil
}

func (t *modelTx) RemoveReplica(id string, renewals int64) error {
	if err := t.ask(1); err != nil {
		return err
	}
	d := t.node.db
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, found := d.replicas[id]; !found || r.Renewals != renewals {
		return store.ErrNotFound
	}
	delete(d.replicas, id)
	return nil
}

// FlushedReplica and PruneChanges are rare, and cost nothing here.
func (t *modelTx) FlushedReplica(string, time.Duration) error { return nil }

func (t *modelTx) PruneChanges(int64, time.Duration, int) (int, error) { return 0, nil }

// Key is all that a change reads, and UpdateKey all that it writes.
func (t *modelTx) Key(string, string) (store.Key, error) { return store.Key{}, t.ask(tripsChange - 1) }

func (t *modelTx) UpdateKey(k store.Key) error {
	t.changes = k.ID
	return t.ask(1)
}

func (t *modelTx) KeyByDigest(digest [32]byte) (store.Holder, error) {
	err := t.ask(tripsHolder)
	id := "key_" + string(digest[:8])
	return store.Holder{
		Key: store.Key{ID: id, Name: id, Secrets: []store.Secret{{Version: 1, State: store.StateCurrent}}}, Org: store.Org{ID: "org"}, Version: 1,
	}, err
}

func (t *modelTx) commit(ctx context.Context) error {
	n, d := t.node, t.node.db
	if t.changes == "" {
		return n.trips(ctx, tripsCommit, t.work, func() {
			if t.renews != nil {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.replicas[t.renews.ID] = *t.renews
			}
		})
	}
	wait(ctx, n.way(0))
	<-d.counter
	d.mu.Lock()
	met := int64(len(d.log)) != t.n
	if met {
		d.undone++
	}
	d.mu.Unlock()
	took := d.serve(t.work)
	if !met {
		took += d.costs.sync
	}
	wait(ctx, took)
	if !met {
		d.mu.Lock()
		d.log = append(d.log, store.Change{N: t.n + 1, Kind: store.ChangeKey, OrgID: "org", KeyID: t.changes})
		d.mu.Unlock()
	}
	d.counter <- struct{}{}
	wait(ctx, n.way(0))
	if met {
		return errModelConflict
	}
	return nil
}
