package core

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	knownStart = 1 << 21 // secrets that the filter has room for at first: 4 MB, of which few secrets touch few pages
	knownMost  = 1 << 25 // more are not remembered: 64 MB
	knownPage  = 10_000  // digests that are read at a time
	// knownRest is how many times as long as it reads the filler rests, after a page and after all of it.
	knownRest, knownRestAll = 2, 10
)

// known says which secrets the store does not hold, so that a flood of well-formed keys that nobody has costs next to nothing. It is
// a Bloom filter over the digests of all stored secrets: what it excludes is not there; what it does not may be.
//
// It is filled in the background. A secret that this process adds is in it before that is acknowledged. Once another process has
// added one it excludes nothing until it was filled anew. Of a secret whose digest took another's place it has the old one or the new
// one.
type known struct {
	filter atomic.Pointer[bloom] // nil: it excludes nothing
	stale  chan struct{}         // holds a token: fill it

	mu   sync.Mutex
	next *bloom // which is being filled; nil: none
	void bool   // what is being filled is not to be trusted either
}

func newKnown() *known {
	k := &known{stale: make(chan struct{}, 1)}
	k.distrust()
	return k
}

// excludes says that the store holds no secret with this digest.
func (k *known) excludes(digest [32]byte) bool {
	f := k.filter.Load()
	return f != nil && !f.has(digest)
}

// add has secrets known that the store may hold from now on.
func (k *known) add(digests [][32]byte) {
	if len(digests) == 0 {
		return
	}
	k.mu.Lock()
	f := k.filter.Load()
	for _, d := range digests {
		for _, to := range []*bloom{k.next, f} {
			if to != nil && !to.has(d) { // what was changed was there before
				to.add(d)
			}
		}
	}
	full := f != nil && f.full()
	k.mu.Unlock()
	if full {
		k.distrust()
	}
}

// distrust has nothing excluded until the filter is filled anew.
func (k *known) distrust() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.filter.Store(nil)
	k.void = true
	select {
	case k.stale <- struct{}{}:
	default:
	}
}

// run fills the filter from x's store whenever it is stale, until ctx ends.
func (k *known) run(ctx context.Context, x *index) {
	room := knownStart
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.stale:
		}
		began := time.Now()
		err := k.fill(ctx, x, room)
		rest := knownRestAll * time.Since(began)
		switch {
		case errors.Is(err, errKnownFull) && room < knownMost:
			room *= 4
			k.distrust()
			continue
		case errors.Is(err, errKnownFull):
			return
		case err != nil: // every check says so
			k.distrust()
			rest += time.Second
		}
		wait(ctx, rest)
	}
}

var errKnownFull = errors.New("there are more secrets than the filter has room for")

// fill reads all digests into a new filter and puts it in place, unless another process added a secret meanwhile.
func (k *known) fill(ctx context.Context, x *index, room int) error {
	if err := x.catchUp(ctx); err != nil {
		return err
	}
	f := newBloom(room)
	k.mu.Lock()
	k.next, k.void = f, false
	select {
	case <-k.stale: // what is being done now
	default:
	}
	k.mu.Unlock()
	var err error
	for _, retired := range []bool{false, true} { // a secret moves from the first to the second
		if err == nil {
			err = k.pages(ctx, x, f, retired)
		}
	}
	if err == nil { // a digest that took another's place meanwhile may have been missed, and its secret is as good as before
		err = x.catchUp(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = nil
	if err == nil && !k.void {
		k.filter.Store(f)
	}
	return err
}

func (k *known) pages(ctx context.Context, x *index, f *bloom, retired bool) error {
	var after [32]byte
	for {
		began := time.Now()
		var page [][32]byte
		err := x.view(ctx, func(tx store.Tx) (err error) {
			page, err = tx.Digests(retired, after, knownPage)
			return err
		})
		if err != nil {
			return err
		}
		k.mu.Lock()
		for _, d := range page {
			f.add(d)
		}
		full, void := f.full(), k.void
		k.mu.Unlock()
		switch {
		case full:
			return errKnownFull
		case void || len(page) < knownPage:
			return nil
		}
		after = page[len(page)-1]
		wait(ctx, knownRest*time.Since(began))
	}
}

// wait waits, at most until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// bloom is a Bloom filter over digests, which are spread evenly as they are. Reads need no lock, writes do.
type bloom struct {
	words []uint64
	mask  uint32
	n     int // that were added
	room  int
}

// bloomBits is the bits that a digest has room for: with 8 probes, one in two thousand of those that were not added seems to be.
const bloomBits = 16

// newBloom makes a filter with room for a power of two of digests.
func newBloom(room int) *bloom {
	bits := room * bloomBits
	return &bloom{words: make([]uint64, bits/64), mask: uint32(bits - 1), room: room} //nolint:gosec // at most 2^29
}

func (b *bloom) full() bool { return b.n > b.room }

func (b *bloom) add(digest [32]byte) {
	b.n++
	for i := 0; i < len(digest); i += 4 {
		bit := binary.LittleEndian.Uint32(digest[i:]) & b.mask
		atomic.OrUint64(&b.words[bit/64], 1<<(bit%64))
	}
}

func (b *bloom) has(digest [32]byte) bool {
	for i := 0; i < len(digest); i += 4 {
		bit := binary.LittleEndian.Uint32(digest[i:]) & b.mask
		if atomic.LoadUint64(&b.words[bit/64])&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}
