package core

import (
	"context"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// KeyUsage says who used a key lately, exact up to this call.
func (s *Service) KeyUsage(ctx context.Context, p Principal, org, ref string) (Usage, error) {
	release, err := s.usage.hold(ctx)
	if err != nil {
		return Usage{}, fmt.Errorf("use of a key: %w", err)
	}
	defer release()
	var out Usage
	err = s.view(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.KeysRead)
		if err != nil {
			return err
		}
		row, err := findKey(tx, p, o.ID, ref)
		if err != nil {
			return err
		}
		now := s.now()
		if out, err = s.useOf(tx, row, now); err != nil {
			return err
		}
		hours, err := tx.KeyHours(row.ID, hoursFrom(now))
		out.Hours = addHours(hours, s.usage.unwritten(row.ID), hoursFrom(now))
		return err
	})
	if err != nil {
		return Usage{}, fmt.Errorf("use of a key: %w", err)
	}
	return out, nil
}

// useOf is the use of a key, that which is not written yet included. The caller holds s.usage.
func (s *Service) useOf(tx store.Tx, row store.Key, now time.Time) (Usage, error) {
	w := windowAt(now)
	sum, err := tx.KeyUse(row.ID, w)
	if err != nil {
		return Usage{}, err
	}
	out := usageOf(sum, s.usage.unwritten(row.ID), w)
	out.LastUsedAt = s.key(row, now).LastUsedAt
	return out, nil
}

// checkUnused refuses a key that was used in the last 24 hours. The caller holds s.usage.
func (s *Service) checkUnused(tx store.Tx, row store.Key, now time.Time) error {
	use, err := s.useOf(tx, row, now)
	if err != nil {
		return err
	}
	if use.LastUsedAt.IsZero() || now.Sub(use.LastUsedAt) >= recently {
		return nil
	}
	refusal := refusef(api.CodeKeyRecentlyUsed, "find out who uses it, or acknowledge the use",
		"the key %s was last used at %s", shown(row.Name), use.LastUsedAt.Format(time.RFC3339))
	refusal.LastUsedAt, refusal.Calls24h = use.LastUsedAt, use.Calls24h
	return refusal
}
