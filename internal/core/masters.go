package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// masters are the master keys that are at hand, by id. One takes another's place while services run: the store says by which each org's
// data key is wrapped, and a key that is not at hand yet is asked for.
type masters struct {
	from keySource

	mu   sync.Mutex
	byID map[string][32]byte
}

func newMasters(m Material, from keySource) *masters {
	x := &masters{from: from, byID: map[string][32]byte{}}
	x.add(m)
	return x
}

func (x *masters) add(m Material) {
	for _, key := range append([][32]byte{m.MasterKey}, m.Others...) {
		x.byID[materialID(store.MaterialMasterKey, key)] = key
	}
}

// get returns a master key; ErrMaterial: it is not at hand.
func (x *masters) get(id string) ([32]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if key, ok := x.byID[id]; ok {
		return key, nil
	}
	if x.from.reload != nil {
		now, err := x.from.reload()
		if err != nil {
			return [32]byte{}, fmt.Errorf("read the master keys again: %w", err)
		}
		x.add(now)
	}
	key, ok := x.byID[id]
	if !ok {
		return key, x.from.missing(store.MaterialMasterKey, id)
	}
	return key, nil
}

// all returns those that are at hand.
func (x *masters) all() [][32]byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Values(x.byID))
}

// dataKey returns an org's data key.
func (m material) dataKey(o store.Org) ([]byte, error) {
	master, err := m.masters.get(o.MasterKeyID)
	if err != nil {
		return nil, fmt.Errorf("data key of %s: %w", o.ID, err)
	}
	return openDataKey(master, o.ID, o.DataKey)
}

// masterRows returns the master keys that the store needs, the newest first.
func masterRows(tx store.Tx) (newest store.Material, older []store.Material, err error) {
	all, err := tx.Materials()
	for _, m := range all {
		switch {
		case m.Kind != store.MaterialMasterKey:
		case newest.ID == "":
			newest = m
		case m.AddedAt.After(newest.AddedAt):
			newest, older = m, append(older, newest)
		default:
			older = append(older, m)
		}
	}
	if err == nil && newest.ID == "" {
		err = errors.New("the store names no master key")
	}
	return newest, older, err
}

// newestMaster is what data keys are wrapped with from now on.
func (s *Service) newestMaster(tx store.Tx) ([32]byte, error) {
	newest, _, err := masterRows(tx)
	if err != nil {
		return [32]byte{}, err
	}
	return s.keys.masters.get(newest.ID)
}

// MasterKeyID names a master key and gives nothing of it away.
func MasterKeyID(key [32]byte) string { return materialID(store.MaterialMasterKey, key) }

// MasterKeys returns the ids of the newest master key of the store and of the one that it takes the place of; empty: none does.
func (s *Service) MasterKeys(ctx context.Context) (newest, older string, err error) {
	err = s.view(ctx, func(tx store.Tx) error {
		now, rest, err := masterRows(tx)
		newest = now.ID
		if len(rest) > 0 {
			older = rest[0].ID
		}
		return err
	})
	return newest, older, err
}

// AddMasterKey has the store wrap every new data key with key from now on. Every process that serves the store must be able to read it
// by then.
func (s *Service) AddMasterKey(ctx context.Context, key [32]byte) error {
	s.keys.masters.mu.Lock()
	s.keys.masters.byID[MasterKeyID(key)] = key
	s.keys.masters.mu.Unlock()
	return s.update(ctx, func(tx store.Tx) error {
		newest, older, err := masterRows(tx)
		if err != nil || newest.ID == MasterKeyID(key) {
			return err
		}
		if len(older) > 0 {
			return errors.New("another master key is taking the place of one already")
		}
		at := s.now()
		if !at.After(newest.AddedAt) {
			at = newest.AddedAt.Add(time.Microsecond)
		}
		return tx.AddMaterial(store.Material{Kind: store.MaterialMasterKey, ID: MasterKeyID(key), AddedAt: at})
	})
}

const rewrapPage = 100

// Rewrap wraps every data key with the newest master key and says how many it wrapped. It can be done again.
func (s *Service) Rewrap(ctx context.Context) (wrapped int, err error) {
	for after, more := "", true; more && err == nil; {
		done, last := 0, after
		err = s.update(ctx, func(tx store.Tx) error {
			done, last = 0, after
			newest, _, err := masterRows(tx)
			if err != nil {
				return err
			}
			master, err := s.keys.masters.get(newest.ID)
			if err != nil {
				return err
			}
			orgs, err := tx.Orgs(after, rewrapPage)
			more = len(orgs) == rewrapPage
			for _, o := range orgs {
				last = o.ID
				if err != nil || o.MasterKeyID == newest.ID {
					continue
				}
				done++
				err = s.rewrap(tx, o, newest.ID, master)
			}
			return err
		})
		after = last
		wrapped += done
	}
	return wrapped, err
}

func (s *Service) rewrap(tx store.Tx, o store.Org, id string, master [32]byte) error {
	key, err := s.keys.dataKey(o)
	if err != nil {
		return err
	}
	from := o.MasterKeyID
	if o.DataKey, err = seal(master[:], key, "org|"+o.ID); err != nil {
		return err
	}
	o.MasterKeyID = id
	return tx.UpdateOrgKey(o, from)
}

// DropMasterKeys has the store need no master key any more but the newest, and refuses while a data key is wrapped with another.
func (s *Service) DropMasterKeys(ctx context.Context) error {
	return s.update(ctx, func(tx store.Tx) error {
		newest, older, err := masterRows(tx)
		if err != nil {
			return err
		}
		for after := ""; ; {
			orgs, err := tx.Orgs(after, rewrapPage)
			if err != nil {
				return err
			}
			if len(orgs) == 0 {
				break
			}
			for _, o := range orgs {
				after = o.ID
				if o.MasterKeyID != newest.ID {
					return fmt.Errorf("the data key of %s is wrapped with %s still", o.ID, o.MasterKeyID)
				}
			}
		}
		for _, m := range older {
			if err := tx.RemoveMaterial(m.Kind, m.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
