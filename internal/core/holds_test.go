package core

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/store"
)

func digestOf(n int) [32]byte { return sha256.Sum256([]byte(strconv.Itoa(n))) }

// testHold is a hold of every kind in turn.
func testHold(n int) hold {
	h := hold{
		org: &Org{ID: fmt.Sprint("org_", n%3), Slug: "acme", Name: "Acme"}, keyID: fmt.Sprintf("key_%026d", n), name: strings.Repeat("ü", n%100),
		version: n % 7, disabled: n%2 == 0, state: holdGone + holdState(n%4),
	}
	if n%5 == 0 {
		h.keyEnds = time.UnixMicro(int64(n) + 1).UTC()
	}
	if n%3 == 0 {
		h.rate = store.RateLimit{Requests: int64(n) + 1, Seconds: 86_400}
	}
	if n%11 == 0 {
		h.secretEnds = time.UnixMicro(-int64(n) - 1).UTC()
	}
	return h
}

func TestHoldsAreKeptAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newHolds()
	const many = 5000 // three chunks
	for round := range 2 {
		for n := range many {
			s.put(digestOf(n), testHold(n+round))
		}
		for n := range many {
			got, found := s.get(digestOf(n))
			if diff := cmp.Diff(testHold(n+round), got, cmp.AllowUnexported(hold{})); !found || diff != "" {
				t.Fatalf("%d: found %t, %s", n, found, diff)
			}
		}
	}
	for n := range many {
		if n%2 == 0 {
			s.drop(digestOf(n))
		}
		if _, found := s.get(digestOf(n)); found != (n%2 == 1) {
			t.Fatalf("%d: found %t after the even ones were dropped", n, found)
		}
	}
	same := digestOf(1)
	same[31]++
	if _, found := s.get(same); found {
		t.Error("a digest with the same head opens another secret")
	}
	s.put(digestOf(many), hold{org: &Org{}, keyID: strings.Repeat("x", 256)})
	if _, found := s.get(digestOf(many)); found {
		t.Error("an id that has no room is kept")
	}
}

// TestTheOldestHoldsGo when there is no room for more, and no others.
func TestTheOldestHoldsGo(t *testing.T) {
	t.Parallel()
	s := newHolds()
	s.last = chunksMost - 2 // the third chunk is the first of all
	chunk := func(n int) int {
		digest := digestOf(n)
		return int(s.at[head(digest[:])]) / chunkUnits
	}
	n := 0
	for ; s.last != 1; n++ {
		s.put(digestOf(n), testHold(n))
	}
	s.put(digestOf(0), testHold(0)) // it lies in the newest now
	in := map[int]int{}
	for i := range n {
		in[chunk(i)]++
	}
	if len(in) != 4 || in[chunksMost-2] == 0 || in[0] == 0 {
		t.Fatalf("chunks %v", in)
	}
	s.evict(chunksMost - 2)
	for i := range n {
		got, found := s.get(digestOf(i))
		if gone := i > 0 && i < in[chunksMost-2]+1; found == gone || found && got.keyID != testHold(i).keyID {
			t.Fatalf("%d of %d: found %t", i, n, found)
		}
	}
	if s.chunks[chunksMost-2] != nil || s.orgs[chunksMost-2] != nil {
		t.Error("the chunk, or its orgs, are still there")
	}
}

// TestOrgsGoWithTheirKeys: a key of each org, more than there is room for.
func TestOrgsGoWithTheirKeys(t *testing.T) {
	t.Parallel()
	s := newHolds()
	s.last = chunksMost - 1
	const many = 10_000 // some chunks
	for n := range many {
		h := testHold(n)
		h.org = &Org{ID: fmt.Sprint("org_", n)}
		s.put(digestOf(n), h)
	}
	for n := range many {
		if got, found := s.get(digestOf(n)); !found || got.org.ID != fmt.Sprint("org_", n) {
			t.Fatalf("%d: found %t, of %v", n, found, got.org)
		}
	}
	for n := range chunksMost {
		s.evict(n)
	}
	for n, orgs := range s.orgs {
		if len(orgs) > 0 {
			t.Errorf("chunk %d has gone and its %d orgs have not", n, len(orgs))
		}
	}
}
