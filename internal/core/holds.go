package core

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	chunkSize = 256 << 10
	// chunksMost bounds what is kept: 128 MB, and a third of that to find it. A million keys fit.
	chunksMost = 512
	blobUnit   = 8 // bytes: blobs begin at a multiple
	chunkUnits = chunkSize / blobUnit
)

// holds are what is known of secrets, by their digest. A hold lies as a blob in a chunk, without a pointer that the garbage collector
// would follow: a million of them must cost no time. Blobs are never changed; once there is no room for another chunk, the oldest goes.
// The strings of a hold are parts of its chunk. The orgs of its keys go with a chunk, too: there may be as many as keys.
type holds struct {
	at     map[uint64]uint32 // by the head of the digest: in which chunk, and at which unit there
	chunks [chunksMost]*strings.Builder
	orgs   [chunksMost][]*Org // of the keys in each chunk
	last   int                // the chunk that is written
	orgAt  map[string]int     // the orgs of that one
}

func newHolds() *holds {
	return &holds{at: map[uint64]uint32{}, orgAt: map[string]int{}}
}

// head is the part of a digest by which it is found; then the whole of it is compared.
func head[D ~string | ~[]byte](digest D) uint64 {
	return binary.LittleEndian.Uint64([]byte(digest[:8]))
}

// A blob is: the digest, flags, the length of the key's id, that of id and name, the number of the org in its chunk, the version of the secret;
// with blobEnds two times in microseconds; with blobLimited how many requests pass in how many seconds; the id and the name.
const (
	blobFlags   = 32
	blobIDLen   = 33
	blobTextLen = 34
	blobOrg     = 36
	blobVersion = 40
	blobFixed   = 44
	blobTimes   = 16
	blobRate    = 8

	blobDisabled = 1 << 4 // beside the state
	blobEnds     = 1 << 5
	blobLimited  = 1 << 6
	blobState    = blobDisabled - 1
)

// get returns what is kept of the secret with this digest.
func (s *holds) get(digest [32]byte) (h hold, found bool) {
	at, found := s.at[head(digest[:])]
	if !found {
		return h, false
	}
	blob := s.blob(at)
	if blob[:len(digest)] != string(digest[:]) {
		return h, false
	}
	flags, text := blob[blobFlags], blob[blobFixed:]
	h = hold{
		org: s.orgs[at/chunkUnits][le32(blob[blobOrg:])], version: int(le32(blob[blobVersion:])),
		disabled: flags&blobDisabled != 0, state: holdState(flags & blobState),
	}
	if flags&blobEnds != 0 {
		h.keyEnds, h.secretEnds, text = timeAt(text), timeAt(text[8:]), text[blobTimes:]
	}
	if flags&blobLimited != 0 {
		h.rate, text = store.RateLimit{Requests: int64(le32(text)), Seconds: int64(le32(text[4:]))}, text[blobRate:]
	}
	id := int(blob[blobIDLen])
	h.keyID, h.name = text[:id], text[id:le16(blob[blobTextLen:])]
	return h, true
}

func (s *holds) blob(at uint32) string {
	return s.chunks[at/chunkUnits].String()[at%chunkUnits*blobUnit:]
}

// put keeps a hold, in the place of an earlier one of the secret. One that no blob can say is not kept.
func (s *holds) put(digest [32]byte, h hold) {
	if len(h.keyID) > math.MaxUint8 || len(h.keyID)+len(h.name) > math.MaxUint16 {
		return
	}
	var fixed [blobFixed + blobTimes + blobRate]byte
	b := append(fixed[:0], digest[:]...)
	flags := byte(h.state)
	if h.disabled {
		flags |= blobDisabled
	}
	ends := !h.keyEnds.IsZero() || !h.secretEnds.IsZero()
	if ends {
		flags |= blobEnds
	}
	limited := h.rate != store.RateLimit{}
	if limited {
		flags |= blobLimited
	}
	text := h.keyID + h.name
	b = append(b, flags, byte(len(h.keyID)))                   //nolint:gosec // as was looked at above
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // likewise
	b = binary.LittleEndian.AppendUint32(b, 0)                 // the org: it is known with the chunk
	b = binary.LittleEndian.AppendUint32(b, uint32(h.version)) //nolint:gosec // versions count from 1
	if ends {
		b = appendTime(appendTime(b, h.keyEnds), h.secretEnds)
	}
	if limited {
		b = binary.LittleEndian.AppendUint32(b, uint32(h.rate.Requests)) //nolint:gosec // checkRate has bounds for both
		b = binary.LittleEndian.AppendUint32(b, uint32(h.rate.Seconds))  //nolint:gosec // likewise
	}
	size := (len(b) + len(text) + blobUnit - 1) / blobUnit * blobUnit
	c := s.room(size)
	binary.LittleEndian.PutUint32(b[blobOrg:], s.org(h.org))
	s.at[head(digest[:])] = uint32(s.last*chunkUnits + c.Len()/blobUnit) //nolint:gosec // at most 2^24
	c.Write(b)
	c.WriteString(text)
	for c.Len()%blobUnit != 0 {
		c.WriteByte(0)
	}
}

// org is the number of an org in the chunk that is written.
func (s *holds) org(o *Org) uint32 {
	n, known := s.orgAt[o.ID]
	if !known {
		n = len(s.orgs[s.last])
		s.orgs[s.last], s.orgAt[o.ID] = append(s.orgs[s.last], o), n
	}
	return uint32(n) //nolint:gosec // a chunk holds fewer
}

// room returns the chunk that is written, a new one if need be.
func (s *holds) room(size int) *strings.Builder {
	c := s.chunks[s.last]
	if c != nil && c.Len()+size <= chunkSize {
		return c
	}
	if c != nil {
		s.last = (s.last + 1) % chunksMost
		s.evict(s.last)
		clear(s.orgAt)
	}
	c = &strings.Builder{}
	c.Grow(chunkSize)
	s.chunks[s.last] = c
	return c
}

// evict drops what lies in a chunk.
func (s *holds) evict(n int) {
	c := s.chunks[n]
	if c == nil {
		return
	}
	for unit := 0; unit < c.Len()/blobUnit; {
		at := uint32(n*chunkUnits + unit) //nolint:gosec // at most 2^24
		blob := s.blob(at)
		if of := head(blob); s.at[of] == at {
			delete(s.at, of)
		}
		size := blobFixed + int(le16(blob[blobTextLen:]))
		if blob[blobFlags]&blobEnds != 0 {
			size += blobTimes
		}
		if blob[blobFlags]&blobLimited != 0 {
			size += blobRate
		}
		unit += (size + blobUnit - 1) / blobUnit
	}
	s.chunks[n], s.orgs[n] = nil, nil
}

func (s *holds) drop(digest [32]byte) { delete(s.at, head(digest[:])) }

func le16(s string) uint16 { return uint16(s[0]) | uint16(s[1])<<8 }

func le32(s string) uint32 { return uint32(le16(s)) | uint32(le16(s[2:]))<<16 }

// timeAt reads a time; 0 is the zero time.
func timeAt(s string) time.Time {
	n := int64(le32(s)) | int64(le32(s[4:]))<<32
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return binary.LittleEndian.AppendUint64(b, uint64(t.UnixMicro()))
}
