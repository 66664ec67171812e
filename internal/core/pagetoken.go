package core

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

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
