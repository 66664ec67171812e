package core

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
)

// modelDigest is a digest of nothing, spread as digests are.
func modelDigest(key uint64) (d [32]byte) {
	for i := range 4 { // splitmix64
		x := key*4 + uint64(i) + 1
		x *= 0x9e3779b97f4a7c15
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(d[8*i:], x^x>>31)
	}
	return d
}

// popularity draws keys of a population: a few often (Zipf's exponent above 1), or all alike (0).
type popularity struct {
	keys uint64
	zipf float64
	of   uint64 // one in so many of the keys is asked about here, the others elsewhere
}

// whole is the same at a replica that is asked about all.
func (p popularity) whole() popularity {
	p.of = 1
	return p
}

func (p popularity) draws(seed uint64) func() uint64 {
	random := rand.New(rand.NewPCG(seed, 3<<32))
	draw := func() uint64 { return random.Uint64N(p.keys) }
	if p.zipf > 0 {
		draw = rand.NewZipf(random, p.zipf, 1, p.keys-1).Uint64
	}
	return func() uint64 {
		for {
			if key := draw(); key*0x9e3779b97f4a7c15>>32%p.of == 0 {
				return key
			}
		}
	}
}

// memory is what came of many checks at one replica that began with nothing.
type memory struct {
	kept   int     // keys, in the end
	bytes  float64 // that they take
	misses float64 // share of the last tenth of the checks
	warm   int     // checks after which no more than a tenth more miss than in the end
}

// remember has the real holds keep what checks ask for.
func remember(p popularity, checks int, seed uint64) (m memory) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, draw := newHolds(), p.draws(seed)
	h := hold{
		org: &Org{ID: "org", Slug: "acme", Name: "Acme"}, keyID: "key_00000000000000000000000000", name: "nightly build", version: 1, state: holdOpens,
	}
	const parts = 100
	var misses [parts]int
	for i := range checks {
		digest := modelDigest(draw())
		if _, found := s.get(digest); !found {
			misses[i*parts/checks]++
			s.put(digest, h)
		}
	}
	late := 0
	for _, n := range misses[parts*9/10:] {
		late += n
	}
	m.kept, m.misses = len(s.at), float64(late)/float64(checks/10)
	for i, n := range &misses {
		if float64(n)*parts/float64(checks) <= m.misses+0.1*(1-m.misses) {
			m.warm = (i + 1) * (checks / parts)
			break
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	m.bytes = float64(after.HeapAlloc) - float64(before.HeapAlloc)
	runtime.KeepAlive(s)
	return m
}

// distinct is how many keys of a population are used in a number of checks.
func (p popularity) distinct(checks float64, seed uint64) float64 {
	if p.zipf == 0 {
		n := float64(p.keys)
		return n * -math.Expm1(checks*math.Log1p(-1/n))
	}
	seen, draw := map[uint64]struct{}{}, p.draws(seed)
	for range int(checks) {
		seen[draw()] = struct{}{}
	}
	return float64(len(seen))
}
