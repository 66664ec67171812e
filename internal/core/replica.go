package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Waker is a store that can tell the other replicas that something has changed, so that they ask for it now. It is a hint: what
// gets lost costs time and nothing else.
type Waker interface {
	// Wake tells the others.
	Wake(ctx context.Context) error
	// Woken calls fn whenever another tells, until ctx ends.
	Woken(ctx context.Context, fn func())
}

// Apart is a store that has connections apart, so that a lease is renewed whatever else the process asks of the database.
type Apart interface {
	// Apart is the same store over those connections; it ends with it.
	Apart() store.Store
}

// replica is a service that is one of several on its store.
type replica struct {
	lease *lease
	waits waits
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// lead makes the service a replica: its index answers while its lease lasts.
func (s *Service) lead(cfg Config) {
	leases := s.store
	if a, ok := s.store.(Apart); ok {
		leases = a.Apart()
	}
	all := storeFleet{leases, s.keys.peppers}
	r := &replica{lease: newLease(all, store.Replica{Name: cfg.Replica, Version: cfg.Version}, s.index.apply, s.log)}
	s.index.lease, s.replica = r.lease, r
	<-s.index.known.stale // the first renewal has it filled: what is added from then on is heard of
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	if waker, ok := leases.(Waker); ok {
		r.lease.others = waker.Wake
		r.done.Go(func() { waker.Woken(ctx, r.lease.nudge) })
	}
	r.done.Go(func() { r.lease.run(ctx) })
	r.done.Go(func() { s.tellFlushes(ctx, r.lease) })
	r.done.Go(func() { pruneChanges(ctx, storeFleet{store: s.store}, s.log) })
}

// close gives the lease back: from then on this replica answers no check, and no other waits for it.
func (r *replica) close() {
	r.stop()
	r.done.Wait()
	r.lease.settling.work.Wait()
}

// settleTimeout bounds for how long a change waits for the other replicas. It is longer than any lease, so that what ends it is a
// database that does not answer.
const settleTimeout = 5 * time.Second

// updateAmong is Service.update of a replica. What was changed, or found to be changed already, is answered only when every replica
// knows of it.
func (s *Service) updateAmong(ctx context.Context, fn func(store.Tx) error) error {
	var looked bool
	err := s.store.Update(ctx, func(tx store.Tx) error {
		k := &keyed{Tx: tx}
		err := fn(k)
		looked = k.looked
		return err
	})
	var refusal *Error
	if err != nil && !errors.As(err, &refusal) || !looked {
		return s.fault(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	defer s.replica.waits.begin()()
	replicas, waitErr := s.replica.lease.await(ctx)
	if waitErr != nil {
		return &Error{
			Code: api.CodeUnavailable, Detail: "the change may be made, but it is not known whether every replica goes by it",
			Fix: "make it again: that is answered once every replica does", err: fmt.Errorf("settle a change: %w", waitErr),
		}
	}
	if err == nil {
		tellEffect(ctx, replicas, s.now())
	}
	return s.fault(err)
}

// keyed is a transaction that notes whether anything in it turned on what a key is.
type keyed struct {
	store.Tx

	looked bool
}

// Key implements store.Tx.
func (k *keyed) Key(orgID, id string) (store.Key, error) {
	k.looked = true
	return k.Tx.Key(orgID, id)
}

// AddKey implements store.Tx. Until a replica knows of a secret it may take it for one that nobody has.
func (k *keyed) AddKey(row store.Key, s store.NewSecret) error {
	k.looked = true
	return k.Tx.AddKey(row, s)
}

// AddSecret implements store.Tx.
func (k *keyed) AddSecret(s store.NewSecret) error {
	k.looked = true
	return k.Tx.AddSecret(s)
}

// KeyByName implements store.Tx.
func (k *keyed) KeyByName(orgID, folded string) (store.Key, error) {
	k.looked = true
	return k.Tx.KeyByName(orgID, folded)
}

// UpdateKey implements store.Tx.
func (k *keyed) UpdateKey(row store.Key) error {
	k.looked = true
	return k.Tx.UpdateKey(row)
}

// DeleteKey implements store.Tx.
func (k *keyed) DeleteKey(row store.Key, at time.Time) error {
	k.looked = true
	return k.Tx.DeleteKey(row, at)
}

// ChangeSecret implements store.Tx.
func (k *keyed) ChangeSecret(s store.Secret, from string) error {
	k.looked = true
	return k.Tx.ChangeSecret(s, from)
}

// RetireSecret implements store.Tx.
func (k *keyed) RetireSecret(keyID string, version int, at time.Time) error {
	k.looked = true
	return k.Tx.RetireSecret(keyID, version, at)
}
