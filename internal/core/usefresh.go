package core

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	useStripes = 64
	stripeMax  = 9_400 // entries in a stripe: 600 000 in all, 30 MB
	stripeFull = 6_000 // entries at which it is time to write
	tuplesMax  = 64    // entries of one key
)

// useEntry is what one secret was used by one caller in one minute, with no pointer, so that the garbage collector passes over it.
type useEntry struct {
	id      useID
	caller  uint16 // 0: nobody is known
	version uint32
	at      int64 // the last of it, in microseconds since 1970
	calls   uint32
}

func (e *useEntry) minute() int64 { return e.at / microsMinute }

const microsMinute = 60_000_000

// freshUse is the use that is nowhere but in memory. Its locks are many, so that checks of keys do not wait for each other.
type freshUse struct {
	seed    maphash.Seed
	stripes [useStripes]useStripe
	lost    atomic.Int64 // calls that were passed over for want of room
}

type useStripe struct {
	mu      sync.Mutex
	slots   []uint32 // 1 + the place in entries, open addressing by key; its length is a power of two
	entries []useEntry
	_       [64]byte // a cache line between the locks
}

func newFreshUse(seed maphash.Seed) *freshUse { return &freshUse{seed: seed} }

func (f *freshUse) stripe(id useID) (*useStripe, uint64) {
	h := maphash.Comparable(f.seed, id)
	return &f.stripes[h>>58], h
}

// call adds a call; full says that it is time to write what there is.
func (f *freshUse) call(e useEntry) (full bool) {
	s, h := f.stripe(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.add(f, e, h) {
		f.lost.Add(int64(e.calls))
	}
	return len(s.entries) >= stripeFull
}

// add counts a call on, or adds it. Of a key with very many callers the one that was seen longest ago makes room.
func (s *useStripe) add(f *freshUse, e useEntry, h uint64) bool {
	if len(s.entries)*4 >= len(s.slots)*3 {
		s.grow(f)
	}
	var oldest *useEntry
	same, i := 0, h&s.mask()
	for ; s.slots[i] != 0; i = (i + 1) & s.mask() {
		k := &s.entries[s.slots[i]-1]
		if k.id != e.id {
			continue
		}
		same++
		if k.version != e.version || k.minute() != e.minute() {
			continue
		}
		if k.caller == e.caller {
			k.calls += e.calls
			k.at = max(k.at, e.at)
			return true
		}
		if oldest == nil || k.at < oldest.at {
			oldest = k
		}
	}
	full := len(s.entries) >= stripeMax
	if oldest != nil && (full || same >= tuplesMax) {
		oldest.calls += e.calls
		if e.at >= oldest.at {
			oldest.at, oldest.caller = e.at, e.caller
		}
		return true
	}
	if full {
		return false
	}
	s.entries = append(s.entries, e)
	s.slots[i] = uint32(len(s.entries)) //nolint:gosec // at most stripeMax
	return true
}

// mask is of a hash what is a slot: there are as many as a power of two.
func (s *useStripe) mask() uint64 { return uint64(len(s.slots)) - 1 }

func (s *useStripe) grow(f *freshUse) {
	s.slots = make([]uint32, max(16, 2*len(s.slots)))
	for n := range s.entries {
		_, h := f.stripe(s.entries[n].id)
		i := h & s.mask()
		for s.slots[i] != 0 {
			i = (i + 1) & s.mask()
		}
		s.slots[i] = uint32(n + 1)
	}
}

// of calls fn with what there is of a key.
func (f *freshUse) of(id useID, fn func(*useEntry)) {
	s, h := f.stripe(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.slots) == 0 {
		return
	}
	for i := h & s.mask(); s.slots[i] != 0; i = (i + 1) & s.mask() {
		if k := &s.entries[s.slots[i]-1]; k.id == id {
			fn(k)
		}
	}
}

// take moves all that there is into to, which is empty and has the same seed. Who looks for it in f first, and in
// to then, finds it.
func (f *freshUse) take(to *freshUse) {
	for i := range f.stripes {
		s, t := &f.stripes[i], &to.stripes[i]
		s.mu.Lock()
		t.mu.Lock()
		t.slots, t.entries = s.slots, s.entries
		s.slots, s.entries = nil, nil
		t.mu.Unlock()
		s.mu.Unlock()
	}
}

// drop forgets all that there is.
func (f *freshUse) drop() { f.take(newFreshUse(f.seed)) }

// sorted returns all that there is by key. Nothing may be added meanwhile.
func (f *freshUse) sorted() []*useEntry {
	n := 0
	for i := range f.stripes {
		n += len(f.stripes[i].entries)
	}
	list := make([]*useEntry, 0, n)
	for i := range f.stripes {
		for k := range f.stripes[i].entries {
			if e := &f.stripes[i].entries[k]; e.calls > 0 {
				list = append(list, e)
			}
		}
	}
	slices.SortFunc(list, func(a, b *useEntry) int { return bytes.Compare(a.id[:], b.id[:]) })
	return list
}

// forget takes out what is written elsewhere now.
func (f *freshUse) forget(list []*useEntry) {
	for _, e := range list {
		s, _ := f.stripe(e.id)
		s.mu.Lock()
		e.calls, e.at = 0, 0
		s.mu.Unlock()
	}
}

// each calls fn with all that there is.
func (f *freshUse) each(fn func(*useEntry)) {
	for i := range f.stripes {
		s := &f.stripes[i]
		s.mu.Lock()
		for n := range s.entries {
			fn(&s.entries[n])
		}
		s.mu.Unlock()
	}
}
