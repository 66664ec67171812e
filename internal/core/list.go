package core

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	pageDefault = 100
	pageMax     = 1000
)

// Keys returns a page of the org's keys, oldest first unless in says otherwise.
func (s *Service) Keys(ctx context.Context, p Principal, org string, in ListKeys) (KeyPage, error) {
	return s.page(ctx, in, p.keyNames(), func(tx store.Tx) (string, error) {
		o, err := access(tx, p, org, api.KeysRead)
		return o.ID, err
	})
}

// CallerKeys returns a page of the keys of the calling key's org.
func (s *Service) CallerKeys(ctx context.Context, c Caller, in ListKeys) (KeyPage, error) {
	return s.page(ctx, in, nil, func(store.Tx) (string, error) { return c.Org.ID, nil })
}

func (s *Service) page(ctx context.Context, in ListKeys, names []string, orgID func(store.Tx) (string, error)) (KeyPage, error) {
	f, err := filterOf(in)
	if err != nil {
		return KeyPage{}, err
	}
	f.Now, f.Names = s.now(), names
	tells := f.Sort == store.ByLastUse && in.Token == "" // the pages after the first are of the list as it was then
	page, behind, err := s.tryPage(ctx, in, f, orgID, tells, behindMost)
	if err == nil && behind {
		page, _, err = s.tryPage(ctx, in, f, orgID, true, math.MaxInt)
	}
	if err != nil {
		return KeyPage{}, fmt.Errorf("list keys: %w", err)
	}
	return page, nil
}

// behindMost is how many pages may be read to fill one with keys that were not used, before the store is told of those that were.
const behindMost = 10

// tryPage reads a page. tells: the store is told of use first.
func (s *Service) tryPage(ctx context.Context, in ListKeys, f store.KeyFilter, orgID func(store.Tx) (string, error), tells bool, reads int,
) (page KeyPage, behind bool, err error) {
	if tells {
		if err := s.tellUses(ctx, orgID); err != nil {
			return KeyPage{}, false, err
		}
	}
	err = s.viewUse(ctx, func(tx store.Tx) error {
		id, err := orgID(tx)
		if err != nil {
			return err
		}
		from, mark := f, keyMark(id, f)
		if in.Token != "" {
			var ok bool
			if from.After, ok = afterKey(in.Token, mark, f.Sort); !ok {
				return badToken()
			}
		}
		l, err := s.readKeys(tx, id, from, reads)
		page, behind = KeyPage{Keys: l.keys}, l.behind
		if l.more {
			page.NextToken = keyToken(mark, l.last.Position(f.Sort), f.Sort)
		}
		return err
	})
	return page, behind, err
}

// listing is a page as it was read: of the keys up to last; more says that there are further ones. behind: it is not full, because too
// many keys were used that the store does not know of yet.
type listing struct {
	keys         []Key
	last         store.Key
	more, behind bool
}

// readKeys reads a page, and leaves out what the store takes for unused alone because it does not know the use yet.
func (s *Service) readKeys(tx store.Tx, orgID string, f store.KeyFilter, reads int) (out listing, err error) {
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	out.keys = []Key{}
	for ; reads > 0; reads-- {
		rows, err := tx.Keys(orgID, f)
		if err != nil {
			return out, err
		}
		out.more = len(rows) > limit
		for _, row := range rows[:min(limit, len(rows))] {
			if len(out.keys) == limit {
				out.more = true
				return out, nil
			}
			if k := s.key(row, f.Now); isUnused(k, f) {
				out.keys = append(out.keys, k)
			}
			out.last = row
		}
		if !out.more || len(out.keys) == limit {
			return out, nil
		}
		f.After = out.last.Position(f.Sort)
	}
	out.behind = true
	return out, nil
}

// isUnused says that the key was not used for as long as the filter wants.
func isUnused(k Key, f store.KeyFilter) bool {
	if f.NeverUsed && !k.LastUsedAt.IsZero() {
		return false
	}
	return f.UnusedSince.IsZero() || k.LastUsedAt.Before(f.UnusedSince)
}

// tellUses has the store know when the org's keys were last used, before it sorts or picks by that.
func (s *Service) tellUses(ctx context.Context, orgID func(store.Tx) (string, error)) error {
	var id string
	err := s.view(ctx, func(tx store.Tx) (err error) {
		id, err = orgID(tx)
		return err
	})
	if err != nil {
		return err
	}
	return s.fault(s.usage.tell(ctx, id))
}

// filterOf checks what is asked for; Now and After are left to the caller.
func filterOf(in ListKeys) (store.KeyFilter, error) {
	f := store.KeyFilter{NeverUsed: in.NeverUsed, UnusedSince: micro(in.UnusedSince), ExpiresBefore: micro(in.ExpiresBefore)}
	var err error
	if f.Limit, err = limitOf(in.Limit); err != nil {
		return f, err
	}
	if f.Status, err = statusFilter(in.Status); err != nil {
		return f, err
	}
	if f.Sort, f.Descending, err = sortOf(in.Sort); err != nil {
		return f, err
	}
	f.Tags, err = tagFilter(in.Tags)
	return f, err
}

func limitOf(limit int) (int, error) {
	if limit == 0 {
		return pageDefault, nil
	}
	if limit < 0 || limit > pageMax {
		return 0, invalidf("the limit %d is not from 1 to %d", limit, pageMax)
	}
	return limit, nil
}

func statusFilter(status api.KeyStatus) (store.KeyStatus, error) {
	switch status {
	case "":
		return store.AnyStatus, nil
	case api.StatusEnabled:
		return store.Enabled, nil
	case api.StatusDisabled:
		return store.Disabled, nil
	case api.StatusExpired:
		return store.Expired, nil
	}
	return 0, invalidf("the status %s is none of %v", shown(string(status)), api.KeyStatuses())
}

func sortOf(sort api.KeySort) (by store.KeySort, descending bool, err error) {
	name, descending := strings.CutPrefix(string(sort), "-")
	switch api.KeySort(name) {
	case api.SortCreated:
		return store.ByID, descending, nil
	case api.SortName:
		return store.ByName, descending, nil
	case api.SortLastUsed:
		return store.ByLastUse, descending, nil
	case api.SortExpires:
		return store.ByExpiry, descending, nil
	}
	if sort == "" {
		return store.ByID, false, nil
	}
	return 0, false, invalidf("the order %s is none of %v", shown(string(sort)), api.KeySorts())
}

// tagFilter returns the tags as the store is asked for them: NAME=VALUE in NFC, sorted, each once.
func tagFilter(tags []string) ([]string, error) {
	const longest = 4 * utf8.UTFMax * (nameMax + 1 + tagValueMax)
	if len(tags) > tagsMax {
		return nil, invalidf("there are %d tags to filter by: at most %d", len(tags), tagsMax)
	}
	out := make([]string, 0, len(tags))
	for _, tag := range tags {
		switch name, _, found := strings.Cut(tag, "="); {
		case !utf8.ValidString(tag) || len(tag) > longest:
			return nil, invalidf("the tag %s is not valid UTF-8, or too long", shown(tag))
		case !found || name == "":
			return nil, refusef(api.CodeInvalidRequest, "write it as NAME=VALUE", "the tag %s has no name, or no '='", shown(tag))
		}
		out = append(out, norm.NFC.String(tag))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
