package core

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	activityDefault = 20
	activityMax     = 100
)

// Key returns the key that ref, a name or an id, names.
func (s *Service) Key(ctx context.Context, p Principal, org, ref string) (Key, error) {
	var out Key
	err := s.viewUse(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.KeysRead)
		if err != nil {
			return err
		}
		row, err := findKey(tx, p, o.ID, ref)
		out = s.key(row, s.now())
		return err
	})
	if err != nil {
		return Key{}, fmt.Errorf("read a key: %w", err)
	}
	return out, nil
}

// ActiveKey returns the enabled, unexpired, recoverable key that was used last; failing any use, the newest.
// CodeNoActiveKey: there is none.
func (s *Service) ActiveKey(ctx context.Context, p Principal, org string) (Key, error) {
	err := s.tellUses(ctx, func(tx store.Tx) (string, error) {
		o, err := access(tx, p, org, api.KeysRead)
		return o.ID, err
	})
	if err != nil {
		return Key{}, fmt.Errorf("active key: %w", err)
	}
	now := s.now()
	var out Key
	err = s.viewUse(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.KeysRead)
		if err != nil {
			return err
		}
		row, err := tx.ActiveKey(o.ID, now)
		if errors.Is(err, store.ErrNotFound) || err == nil && !p.reaches(row.FoldedName) {
			return refusef(api.CodeNoActiveKey, "make a key: keyfob keys create NAME",
				"the organisation %s has no key that is enabled, unexpired and recoverable", shown(o.Slug))
		}
		out = s.key(row, now)
		return err
	})
	if err != nil {
		return Key{}, fmt.Errorf("active key: %w", err)
	}
	return out, nil
}

// KeyActivity returns a key of the caller's org and its newest events, newest first. An empty ref is the calling key. limit
// is 1 to 100; 0 is 20.
func (s *Service) KeyActivity(ctx context.Context, c Caller, ref string, limit int) (Key, []Event, error) {
	if limit == 0 {
		limit = activityDefault
	}
	if limit < 0 || limit > activityMax {
		return Key{}, nil, invalidf("the limit %d is not from 1 to %d", limit, activityMax)
	}
	if ref == "" {
		ref = c.KeyID
	}
	var (
		out  Key
		rows []store.Event
	)
	err := s.viewUse(ctx, func(tx store.Tx) error {
		row, err := findKey(tx, Principal{}, c.Org.ID, ref)
		if err != nil {
			return err
		}
		out = s.key(row, s.now())
		rows, err = tx.Events(c.Org.ID, store.EventFilter{KeyID: row.ID, Limit: limit})
		return err
	})
	if err != nil {
		return Key{}, nil, fmt.Errorf("key activity: %w", err)
	}
	events := make([]Event, len(rows))
	for i, r := range rows {
		events[i] = eventOf(r)
	}
	return out, events, nil
}

// findKey returns the key of the org that ref, a name or an id, names. One that the principal does not reach is not there.
func findKey(tx store.Tx, p Principal, orgID, ref string) (store.Key, error) {
	if looksLikeSecret(ref) {
		return store.Key{}, invalidf("a key is named by its name or id here, not by its secret")
	}
	row, err := store.Key{}, store.ErrNotFound
	switch {
	case isID(keyPrefix, ref):
		row, err = tx.Key(orgID, ref)
	case len(ref) <= refMaxBytes && utf8.ValidString(ref):
		row, err = tx.KeyByName(orgID, fold(ref))
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && !p.reaches(row.FoldedName) {
		return store.Key{}, refusef(api.CodeKeyNotFound, "", "the organisation has no key %s", shown(ref))
	}
	return row, err
}
