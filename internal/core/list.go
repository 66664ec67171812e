package core

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
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
	if f.Sort == store.ByLastUse || f.NeverUsed || !f.UnusedSince.IsZero() {
		if err := s.tellUses(ctx, orgID); err != nil {
			return KeyPage{}, fmt.Errorf("list keys: %w", err)
		}
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	f.Now, f.Names = s.now(), names
	var (
		rows []store.Key
		keys []Key
		mark fingerprint
	)
	err = s.viewUse(ctx, func(tx store.Tx) error {
		id, err := orgID(tx)
		if err != nil {
			return err
		}
		page := f
		mark = keyMark(id, f)
		if in.Token != "" {
			var ok bool
			if page.After, ok = afterKey(in.Token, mark, f.Sort); !ok {
				return badToken()
			}
		}
		rows, err = tx.Keys(id, page)
		keys = make([]Key, min(limit, len(rows)))
		for i := range keys {
			keys[i] = s.key(rows[i], f.Now)
		}
		return err
	})
	if err != nil {
		return KeyPage{}, fmt.Errorf("list keys: %w", err)
	}
	page := KeyPage{Keys: keys}
	if len(rows) > limit {
		page.NextToken = keyToken(mark, rows[limit-1].Position(f.Sort), f.Sort)
	}
	return page, nil
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

// A page token is base64url of a version, a fingerprint of all that says which list it is a place in, and the place.

const tokenVersion = 2

// fingerprint stands for a list: what is listed, of which org, how it is filtered and ordered.
type fingerprint [8]byte

func markOf(parts ...string) (f fingerprint) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	copy(f[:], h.Sum(nil))
	return f
}

// token begins a token of the list.
func (f fingerprint) token() []byte { return append([]byte{tokenVersion}, f[:]...) }

// open returns the place that a token of this list holds.
func (f fingerprint) open(token string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, false
	}
	return bytes.CutPrefix(b, f.token())
}

func badToken() error {
	return refusef(api.CodeInvalidRequest, "begin again without a page token", "the page token is not one that this list gave")
}

func keyMark(orgID string, f store.KeyFilter) fingerprint {
	parts := []string{"keys", orgID, fmt.Sprint(f.Status, f.Sort, f.Descending, f.NeverUsed), string(at(f.UnusedSince)), string(at(f.ExpiresBefore))}
	return markOf(slices.Concat(parts, f.Tags, f.Names)...)
}

const idBytes = len(keyPrefix) + idLen

// keyToken's place is the id, and after it the name or the time that the list is ordered by.
func keyToken(mark fingerprint, p store.KeyPosition, sort store.KeySort) string {
	b := append(mark.token(), p.ID...)
	switch sort {
	case store.ByID:
	case store.ByName:
		b = append(b, p.FoldedName...)
	case store.ByLastUse, store.ByExpiry:
		b = append(b, at(p.At)...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func afterKey(token string, mark fingerprint, sort store.KeySort) (p store.KeyPosition, ok bool) {
	b, ok := mark.open(token)
	if !ok || len(b) < idBytes || !isID(keyPrefix, string(b[:idBytes])) {
		return p, false
	}
	p.ID = string(b[:idBytes])
	rest := b[idBytes:]
	switch sort {
	case store.ByID:
	case store.ByName:
		p.FoldedName = string(rest)
		return p, utf8.Valid(rest) && len(rest) > 0
	case store.ByLastUse, store.ByExpiry:
		if len(rest) != 8 {
			return p, false
		}
		if n := int64(binary.BigEndian.Uint64(rest)); n != 0 { //nolint:gosec // the bits, whatever the sign
			p.At = time.UnixMicro(n).UTC()
		}
		return p, true
	}
	return p, len(rest) == 0
}

// at is a moment as a page token holds it: microseconds since 1970, 0 for none.
func at(t time.Time) []byte {
	var n int64
	if !t.IsZero() {
		n = t.UnixMicro()
	}
	return binary.BigEndian.AppendUint64(nil, uint64(n))
}
