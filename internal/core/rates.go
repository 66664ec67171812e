package core

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Rate is what a key has left of its rate limit. The zero Rate: it has none.
type Rate struct {
	Limit     api.RateLimit
	Remaining int64
	// Reset is when all of it is there again if nothing uses it, or, where nothing remains, one request.
	Reset time.Duration
}

const (
	rateShards    = 64 // checks of one key share a lock, those of others rarely do
	rateSweepFrom = 256
)

// rates counts the requests of keys that have a limit, each in a bucket that refills evenly (GCRA). It counts for this process
// alone, and from none at its start. A key without a limit is not in it, and one whose bucket is full needs not be: what is kept is
// at most twice what was used within its window, 40 bytes a key.
type rates struct {
	seed   maphash.Seed
	shards [rateShards]rateShard
}

type rateShard struct {
	mu      sync.Mutex
	buckets map[uint64]bucket // by the hash of the key's id, which would keep alive what it is a part of
	sweepAt int               // how many there must be for the full ones to be thrown away
}

// bucket is full again at a time, in Unix nanoseconds. One of another limit is as good as none: a change begins a new one.
type bucket struct {
	full             int64
	requests, window int32
}

func newRates() *rates {
	r := &rates{seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i] = rateShard{buckets: map[uint64]bucket{}, sweepAt: rateSweepFrom}
	}
	return r
}

// take uses a request of the key's limit up, if there is one left. A request that is refused costs nothing.
func (r *rates) take(keyID string, l store.RateLimit, at time.Time) (Rate, bool) {
	hash := maphash.String(r.seed, keyID)
	shard := &r.shards[hash%rateShards]
	now := at.UnixNano()
	step := (l.Seconds*int64(time.Second) + l.Requests - 1) / l.Requests // rounded up: never more than the limit
	window := step * l.Requests
	out := Rate{Limit: wireRate(l)}
	shard.mu.Lock()
	defer shard.mu.Unlock()
	b, found := shard.buckets[hash]
	if !found || int64(b.requests) != l.Requests || int64(b.window) != l.Seconds {
		b = bucket{requests: int32(l.Requests), window: int32(l.Seconds)} //nolint:gosec // checkRate has bounds for both
	}
	b.full = min(max(b.full, now), now+window) // a clock that was set back must not close it for longer than it can be empty
	next := b.full + step - window             // when a request may pass
	passes := next <= now
	if passes {
		b.full += step
		next += step
	}
	shard.buckets[hash] = b
	if !found {
		shard.sweep(now)
	}
	if out.Remaining = (window - b.full + now) / step; out.Remaining > 0 {
		out.Reset = time.Duration(b.full - now)
	} else {
		out.Reset = time.Duration(next - now)
	}
	return out, passes
}

// sweep throws the full buckets away when there are twice as many as it left the last time.
func (s *rateShard) sweep(now int64) {
	if len(s.buckets) < s.sweepAt {
		return
	}
	kept := map[uint64]bucket{} // a map never gives room back
	for hash, b := range s.buckets {
		if b.full > now {
			kept[hash] = b
		}
	}
	s.buckets, s.sweepAt = kept, max(2*len(kept), rateSweepFrom)
}

// limited refuses a request beyond a key's rate limit.
func limited(name string, left Rate) error {
	wait := (left.Reset + time.Second - 1).Truncate(time.Second)
	return &Error{
		Code: api.CodeRateLimited, Detail: fmt.Sprintf("the key %s may be used %s", shown(name), left.Limit),
		Fix: "try again in " + wait.String(), RetryAfter: wait, Rate: left,
	}
}

// checkRate refuses what is no rate limit; the zero value is none.
func checkRate(l api.RateLimit) error {
	bounded := l.Requests >= 1 && l.Requests <= api.RateRequestsMax && l.PerSeconds >= 1 && l.PerSeconds <= api.RateSecondsMax
	if l != (api.RateLimit{}) && !bounded {
		return invalidf("the rate limit must be 1 to %d requests in 1 to %d seconds", api.RateRequestsMax, api.RateSecondsMax)
	}
	return nil
}

func storeRate(l api.RateLimit) store.RateLimit {
	return store.RateLimit{Requests: l.Requests, Seconds: l.PerSeconds}
}

func wireRate(l store.RateLimit) api.RateLimit {
	return api.RateLimit{Requests: l.Requests, PerSeconds: l.Seconds}
}
