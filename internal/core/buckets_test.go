package core

import (
	"strconv"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// TestBucketsThatAreFullGo: what is kept is of the keys that used their limit lately, however many there are.
func TestBucketsThatAreFullGo(t *testing.T) {
	t.Parallel()
	r, now := newRates(), time.Unix(2e9, 0)
	kept := func() (n int) {
		for i := range r.shards {
			n += len(r.shards[i].buckets)
		}
		return n
	}
	const most = rateShards * rateSweepFrom
	for n := range 200_000 { // one a millisecond, each full again after 20 ms
		now = now.Add(time.Millisecond)
		if _, passes := r.take("key_"+strconv.Itoa(n), store.RateLimit{Requests: 50, Seconds: 1}, now); !passes {
			t.Fatalf("key %d is refused", n)
		}
		if n%1000 == 0 && kept() > most {
			t.Fatalf("%d buckets are kept of %d", kept(), n)
		}
	}
	for n := range 5 * most { // all at once: none is forgotten while it counts
		r.take("at once "+strconv.Itoa(n), store.RateLimit{Requests: 1, Seconds: 60}, now)
	}
	for n := range 5 * most {
		if _, passes := r.take("at once "+strconv.Itoa(n), store.RateLimit{Requests: 1, Seconds: 60}, now); passes {
			t.Fatalf("key %d passes twice", n)
		}
	}
}
