package core

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

const (
	failuresMost   = 100              // that an address may have at once
	failuresRefill = 10 * time.Second // until it may have one more

	failureSets  = 8192
	failureWays  = 8 // slots of a set: a line of a processor's cache
	failureRaces = 4 // how often a slot is tried that others write
)

// failures counts checks of keys that nobody has by the address they came from: IPv4 whole, IPv6 by its /64, which is one
// subscriber's. It is a table of half a megabyte for good, and an address has its place in one of the sets; where that is full, the
// address with the fewest recent failures gives way. So a flood from many addresses pushes out its own before it does others. There is
// no lock: a slot is one word, the upper 24 bits of the hash that the set does not say and, in 40, when all failures are forgotten, in
// milliseconds since start.
type failures struct {
	seed  maphash.Seed
	start time.Time
	sets  [failureSets][failureWays]atomic.Uint64
}

const (
	failureTimeBits = 40
	failureTime     = 1<<failureTimeBits - 1
)

// newFailures begins a year ago: of 34, some for a clock that is set back.
func newFailures(now time.Time) *failures {
	return &failures{seed: maphash.MakeSeed(), start: now.AddDate(-1, 0, 0)}
}

// add counts a failure, and says whether there were too many; then it is not counted. The zero Addr is nobody's.
func (f *failures) add(from netip.Addr, at time.Time) (tooMany bool) {
	if !from.IsValid() {
		return false
	}
	const step, window = uint64(failuresRefill / time.Millisecond), failuresMost * uint64(failuresRefill/time.Millisecond)
	now := uint64(max(at.Sub(f.start), 0)/time.Millisecond) & failureTime
	hash := f.hash(from)
	set, tag := &f.sets[hash%failureSets], hash>>failureTimeBits<<failureTimeBits
	for range failureRaces {
		slot, was := failureSlot(set, tag)
		forgotten := now
		if was&^failureTime == tag {
			forgotten = min(max(was&failureTime, now), now+window) // as in rates.take
		}
		if tooMany = forgotten+step > now+window; !tooMany {
			forgotten += step
		}
		if was == tag|forgotten || slot.CompareAndSwap(was, tag|forgotten) {
			break
		}
	}
	return tooMany
}

// failureSlot returns the slot with the tag or, failing that, the one whose failures are forgotten first.
func failureSlot(set *[failureWays]atomic.Uint64, tag uint64) (slot *atomic.Uint64, was uint64) {
	for i := range set {
		v := set[i].Load()
		if v != 0 && v&^failureTime == tag {
			return &set[i], v
		}
		if slot == nil || v&failureTime < was&failureTime {
			slot, was = &set[i], v
		}
	}
	return slot, was
}

func (f *failures) hash(from netip.Addr) uint64 {
	from = from.Unmap()
	if from.Is4() {
		b := from.As4()
		return maphash.Bytes(f.seed, b[:])
	}
	b := from.As16()
	return maphash.Bytes(f.seed, b[:8])
}

// tooManyFailures is the answer to a key that nobody has from an address that sent too many; it is made once.
func tooManyFailures() error {
	return &Error{
		Code: api.CodeTooManyTries, Detail: "too many keys that are malformed, unknown or deleted came from this address",
		Fix: "stop, and send a valid key: it always passes", RetryAfter: failuresRefill,
	}
}
