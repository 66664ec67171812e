package revoked

import (
	"context"

	"github.com/keyfob/keyfob/internal/store"
)

// Store is a store that logs what its transactions revoke.
type Store struct {
	store.Store

	log    *Log
	failed func(error)
}

// Wrap returns s with a log. failed is told when what opens a key could not be confirmed: a restore will leave it closed.
func Wrap(s store.Store, log *Log, failed func(error)) *Store {
	return &Store{Store: s, log: log, failed: failed}
}

// Update implements store.Store. What fn revokes is in the log before it is committed; the log is written while the database holds
// fn's rows, so that its order is that of the commits.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	var opened []store.Revocation
	err := s.Store.Update(ctx, func(inner store.Tx) error {
		opened = nil
		t := &tx{Tx: inner}
		if err := fn(t); err != nil || len(t.revoked) == 0 {
			return err
		}
		first, err := s.log.Append(ctx, t.told())
		for i, r := range t.revoked {
			if r.What == store.RevokedKeyOpened {
				opened = append(opened, store.Revocation{What: store.RevocationConfirm, Of: first + int64(i)})
			}
		}
		return err
	})
	if err != nil || len(opened) == 0 {
		return err
	}
	if _, err := s.log.Append(context.WithoutCancel(ctx), opened); err != nil {
		s.failed(err)
	}
	return nil
}
