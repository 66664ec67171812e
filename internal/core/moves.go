package core

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	movesMost = 10_000 // that wait
	movesPage = 200    // that are written at a time
)

// moves are secrets that were presented and are found by digests under an older pepper: they are given one under the newest, beside
// the use of keys, so that no check waits for it. What is forgotten is noted again.
type moves struct {
	mu     sync.Mutex
	newest *pepper // that the digests are under
	to     map[[32]byte][32]byte
}

// note has a secret moved soon.
func (m *moves) note(newest *pepper, one store.Move) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.newest != newest || m.to == nil {
		m.newest, m.to = newest, map[[32]byte][32]byte{}
	}
	if len(m.to) < movesMost {
		m.to[one.From] = one.To
	}
}

// take returns what is to be moved, in an order that is the same for all, and forgets it.
func (m *moves) take() (newest *pepper, list []store.Move) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for from, to := range m.to {
		list = append(list, store.Move{From: from, To: to})
	}
	m.to = nil
	slices.SortFunc(list, func(a, b store.Move) int { return bytes.Compare(a.From[:], b.From[:]) })
	return m.newest, list
}

// hear has the keys at hand that the store names, before they are asked for.
func (s *Service) hear(ctx context.Context) error {
	return s.view(ctx, func(tx store.Tx) error {
		n, err := tx.KeyChanges()
		if err != nil {
			return err
		}
		if _, err := s.keys.peppers.asOf(tx, n.Changed); err != nil {
			return err
		}
		named, err := tx.Materials()
		if err != nil {
			return err
		}
		return s.keys.compare(named)
	})
}

// movePresented hears which keys the store names, and writes what was noted.
func (s *Service) movePresented(ctx context.Context) error {
	if err := s.hear(ctx); err != nil {
		return err
	}
	newest, list := s.index.moves.take()
	for len(list) > 0 {
		page := list[:min(movesPage, len(list))]
		list = list[len(page):]
		err := s.update(ctx, func(tx store.Tx) error {
			now, err := s.keys.peppers.toWrite(tx)
			if err != nil || now != newest { // they are noted again
				return err
			}
			_, err = tx.MoveSecrets(newest.id, page)
			return err
		})
		if err != nil {
			return fmt.Errorf("move secrets to the newest pepper: %w", err)
		}
	}
	return nil
}
