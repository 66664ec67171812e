package core

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	// peppersMost bounds how many peppers a store may need at once: what is under none costs a digest of each.
	peppersMost = 4
	// pepperKept is for how long a pepper is needed after a newer one has taken its place, whatever is under it: repeats of creates are
	// recognised for a day, as are tokens of jobs, which may be valid for that long.
	pepperKept = answerKept + time.Hour
	// retiredKept is for how long a retired secret is told from one that is unknown, if its digest is under an older pepper.
	retiredKept = 90 * 24 * time.Hour

	digestPage = 200
)

// Pepper is a pepper that the store needs.
type Pepper struct {
	ID      string
	AddedAt time.Time
	// KeptUntil is until when it is needed, whatever is under it; zero: it is the newest.
	KeptUntil time.Time
	Uses      []store.PepperUse // what is under it, if it is not the newest
}

// Redigested is what Redigest has done.
type Redigested struct {
	Moved  int // secrets
	Faults []error
}

// PepperID names a pepper and gives nothing of it away.
func PepperID(key [32]byte) string { return materialID(store.MaterialPepper, key) }

// Peppers returns the peppers that the store needs, the newest first.
func (s *Service) Peppers(ctx context.Context) (out []Pepper, err error) {
	err = s.view(ctx, func(tx store.Tx) error {
		out, err = peppersOf(tx, s.now())
		return err
	})
	return out, err
}

func peppersOf(tx store.Tx, now time.Time) ([]Pepper, error) {
	rows, err := pepperRows(tx)
	if err != nil {
		return nil, err
	}
	out := make([]Pepper, len(rows))
	for i, row := range rows {
		out[i] = Pepper{ID: row.ID, AddedAt: row.AddedAt}
		if i == 0 {
			continue
		}
		out[i].KeptUntil = rows[i-1].AddedAt.Add(pepperKept)
		if out[i].Uses, err = tx.PepperUses(row.ID, now, now.Add(-retiredKept)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AddPepper has every new digest made with key from now on, and returns once every replica knows of it or has lost its lease. Every
// process that serves the store must be able to read it by then. ErrPeppers: the store needs as many peppers as it may.
func (s *Service) AddPepper(ctx context.Context, key [32]byte) error {
	s.keys.peppers.mu.Lock()
	s.keys.peppers.add(Material{Pepper: key})
	s.keys.peppers.mu.Unlock()
	id := PepperID(key)
	err := s.update(ctx, func(tx store.Tx) error {
		rows, err := pepperRows(tx)
		if err != nil {
			return err
		}
		for i, row := range rows {
			if row.ID == id && i == 0 {
				return nil
			}
			if row.ID == id {
				return fmt.Errorf("the pepper %s is one of before", id)
			}
		}
		if len(rows) >= peppersMost {
			return ErrPeppers
		}
		at := s.now()
		if newest := rows[0].AddedAt; !at.After(newest) {
			at = newest.Add(time.Microsecond)
		}
		return tx.AddMaterial(store.Material{Kind: store.MaterialPepper, ID: id, AddedAt: at})
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	beside := newLease(storeFleet{store: s.store, peppers: s.keys.peppers}, store.Replica{}, nil, s.log) // one that never joins
	if _, err := beside.await(ctx); err != nil {
		return s.fault(err)
	}
	return nil
}

// ErrPeppers says that a store needs as many peppers as it may.
var ErrPeppers = fmt.Errorf("the store needs %d peppers already", peppersMost)

// Redigest gives every secret with a sealed copy a digest under the newest pepper. Nothing else about its key changes, and it opens what
// it did at each moment. It can be done again. What can't be moved stays as it is, and is told.
func (s *Service) Redigest(ctx context.Context) (out Redigested, err error) {
	for after := (store.KeyPlace{}); ; {
		var (
			page   []store.SealedSecret
			newest *pepper
			orgs   = map[string]store.Org{}
		)
		err := s.view(ctx, func(tx store.Tx) (err error) {
			if newest, err = s.keys.peppers.toWrite(tx); err != nil {
				return err
			}
			if page, err = tx.SealedUnderOthers(newest.id, after, digestPage); err != nil {
				return err
			}
			for _, row := range page {
				if _, known := orgs[row.OrgID]; !known && err == nil {
					orgs[row.OrgID], err = tx.Org(row.OrgID)
				}
			}
			return err
		})
		if err != nil || len(page) == 0 {
			return out, err
		}
		after = page[len(page)-1].KeyPlace
		moves, err := s.redigested(page, orgs, newest, &out)
		if err != nil {
			return out, err
		}
		moved := 0
		err = s.update(ctx, func(tx store.Tx) (err error) {
			moved, err = tx.MoveSecrets(newest.id, moves)
			return err
		})
		if err != nil {
			return out, err
		}
		out.Moved += moved
	}
}

// redigested makes the new digests of a page. A sealed copy that is not of the secret beside it would change what opens.
func (s *Service) redigested(page []store.SealedSecret, orgs map[string]store.Org, newest *pepper, out *Redigested) ([]store.Move, error) {
	dataKeys := map[string][]byte{}
	var moves []store.Move
	for _, row := range page {
		if dataKeys[row.OrgID] == nil {
			key, err := s.keys.dataKey(orgs[row.OrgID])
			if err != nil {
				return nil, err
			}
			dataKeys[row.OrgID] = key
		}
		under, err := s.keys.peppers.get(row.PepperID)
		if err != nil {
			return nil, err
		}
		sec, err := openSecret(dataKeys[row.OrgID], row.OrgID, row.KeyID, row.Version, row.Sealed)
		if err == nil && under.secrets.Digest(sec) != row.Digest {
			err = fmt.Errorf("sealed secret %d of %s is another than the one that opens", row.Version, row.KeyID)
		}
		if err != nil {
			if len(out.Faults) < inspectFaults {
				out.Faults = append(out.Faults, err)
			}
			continue
		}
		moves = append(moves, store.Move{From: row.Digest, To: newest.secrets.Digest(sec)})
	}
	return moves, nil
}

// DropPeppers has the store need no older pepper any more that nothing is under, and returns the ids of those. forget: what is retired
// doesn't count, and is answered like what nobody has from then on.
func (s *Service) DropPeppers(ctx context.Context, forget bool) (dropped []string, err error) {
	now := s.now()
	counts := func(u store.PepperUse) bool { return !forget || u.Kind != store.UseRetired }
	needless := func(tx store.Tx) (ids []string, err error) {
		all, err := peppersOf(tx, now)
		for i, p := range all {
			if i > 0 && !slices.ContainsFunc(p.Uses, counts) && !now.Before(p.KeptUntil) {
				ids = append(ids, p.ID)
			}
		}
		return ids, err
	}
	err = s.view(ctx, func(tx store.Tx) (err error) { // to count takes a while, and others wait for who may write
		dropped, err = needless(tx)
		return err
	})
	if err != nil || len(dropped) == 0 {
		return nil, err
	}
	err = s.update(ctx, func(tx store.Tx) (err error) {
		if dropped, err = needless(tx); err != nil {
			return err
		}
		for _, id := range dropped {
			if err := tx.RemoveMaterial(store.MaterialPepper, id); err != nil {
				return err
			}
		}
		return nil
	})
	return dropped, err
}
