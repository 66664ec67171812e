package core

import (
	"context"

	"github.com/keyfob/keyfob/internal/store"
)

const tellKeys = 1000 // keys of an org that are looked at together

// tell has the last uses of an org's keys in their rows, for a read that the store sorts or picks by them. Calls and callers may
// stay behind: a last use can be told twice.
func (u *usage) tell(ctx context.Context, orgID string) error {
	if err := u.settle(ctx); err != nil {
		return err
	}
	for after, more := "", true; more; {
		err := u.turns(ctx, func() (err error) { // each page by itself: others wait for their turn, too
			after, more, err = u.tellPage(ctx, orgID, after)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tellPage tells of the org's next keys above after, and says up to which, and whether there are more.
func (u *usage) tellPage(ctx context.Context, orgID, after string) (upto string, more bool, err error) {
	if u.kept.keys == 0 {
		return "", false, nil
	}
	var page []store.LastUse
	err = u.store.View(ctx, func(tx store.Tx) (err error) {
		page, err = tx.LastUses(orgID, after, tellKeys)
		return err
	})
	if err != nil || len(page) == 0 {
		return "", false, err
	}
	return page[len(page)-1].KeyID, len(page) == tellKeys, u.tellOf(ctx, page)
}

// tellOf tells the store of the keys whose rows are behind.
func (u *usage) tellOf(ctx context.Context, page []store.LastUse) error {
	var rows []store.KeyUse
	for _, k := range page {
		id, ok := useIDOf(k.KeyID)
		u.m.p.reset(id)
		if !ok {
			continue
		}
		u.kept.of(&u.m.p)
		for _, use := range u.m.p.uses {
			if timeOfMicros(use.at).After(k.At) {
				row := u.m.p.row(u.origins)
				rows = append(rows, store.KeyUse{KeyID: k.KeyID, Secrets: row.Secrets})
				break
			}
		}
	}
	for len(rows) > 0 {
		n := min(flushBatch, len(rows))
		if err := u.recordUses(ctx, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// steady runs read, which reads rows and lays over them what is not in them yet: again if use came into rows after they were read and
// was forgotten here before it was looked for, which would have it in neither.
func (u *usage) steady(ctx context.Context, read func() error) error {
	for range 3 {
		moved := u.moved.Load()
		if err := read(); err != nil || u.moved.Load() == moved {
			return err
		}
	}
	return u.turns(ctx, read)
}

// viewUse is view for what shows the last use of keys. fn may run more than once.
func (s *Service) viewUse(ctx context.Context, fn func(store.Tx) error) error {
	return s.usage.steady(ctx, func() error { return s.view(ctx, fn) })
}
