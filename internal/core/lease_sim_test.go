package core

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

var (
	leaseSeeds = flag.Int("seeds", 1000, "how many seeds TestLeases tries")            //nolint:gochecknoglobals // a flag
	leaseSeed  = flag.Uint64("seed", 0, "the only seed that TestLeases tries; 0: any") //nolint:gochecknoglobals // a flag
)

// TestLeases: replicas whose clocks run apart and whose calls to the store are slow, lost and late never answer a check with what
// was changed before it began. Built with the tag "mutant" they do, and the test sees it.
func TestLeases(t *testing.T) {
	t.Parallel()
	caught, checks, stale, changes := 0, 0, 0, 0
	gone := 0
	for i := range *leaseSeeds {
		seed := uint64(i + 1)
		if *leaseSeed != 0 {
			seed = *leaseSeed
		}
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, seed)
			s.run(t.Context())
			checks, stale, changes, gone = checks+s.checks, stale+s.stale, changes+s.acknowledged, gone+s.gone
			if s.violation != "" {
				caught++
				if barrier {
					t.Errorf("seed %d: %s", seed, s.violation)
				}
			}
		})
		if *leaseSeed != 0 || t.Failed() {
			break
		}
	}
	t.Logf("%d checks answered, %d refused for want of a lease, %d changes acknowledged, %d times some were gone; %d seeds with a violation", checks, stale, changes, gone, caught)
	if tried := max(1, checks/1000); changes < 10*tried/100 {
		t.Errorf("only %d changes beside %d checks", changes, checks)
	}
	if gone < changes/1000 {
		t.Errorf("only %d times a replica found that changes were gone", gone)
	}
	if !barrier && caught == 0 {
		t.Error("the mutant was not caught")
	}
}

// TestLeasesSeeGaps: TestLeases would notice a replica that misses changes which were pruned.
func TestLeasesSeeGaps(t *testing.T) {
	t.Parallel()
	caught := 0
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, seed+1)
			s.careless = true
			s.run(t.Context())
			if s.violation != "" {
				caught++
			}
		})
	}
	if t.Logf("%d of 40 seeds with a violation", caught); caught == 0 {
		t.Error("a replica that passes over pruned changes was not caught")
	}
}

// simulation is replicas on one database, all in memory and virtual time. A key's state is the number of its last change.
type simulation struct {
	random *rand.Rand
	nodes  []*node
	calls  sync.WaitGroup // that nobody waits for any more

	mu           sync.Mutex
	n            int64 // the database
	keys         map[string]int64
	log          []store.Change // those that are kept
	careless     bool           // it does not say that changes are gone
	gone         int            // how often it said so
	replicas     map[string]*store.Replica
	acked        map[string]int64
	checks       int
	stale        int
	acknowledged int
	violation    string
}

// node is one replica.
type node struct {
	s     *simulation
	lease *lease
	worse float64 // how much slower and less reliable than the others it is

	mu   sync.Mutex // its memory
	kept map[string]int64
	seen int64
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	s := &simulation{
		random: rand.New(rand.NewPCG(seed, 1)), keys: map[string]int64{}, replicas: map[string]*store.Replica{}, acked: map[string]int64{},
	}
	start := time.Now()
	for i := range 2 + s.random.IntN(4) {
		n := &node{s: s, kept: map[string]int64{}, worse: []float64{1, 1, 3, 30}[s.random.IntN(4)]}
		n.lease = newLease(n, store.Replica{Name: fmt.Sprint("r", i)}, n.apply, slog.New(slog.DiscardHandler))
		rate, offset := 0.96+0.08*s.random.Float64(), time.Duration(s.random.IntN(1e9))
		n.lease.now = func() time.Duration { return offset + time.Duration(float64(time.Since(start))*rate) }
		s.nodes = append(s.nodes, n)
	}
	return s
}

// run lets everybody work for a while.
func (s *simulation) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, n := range s.nodes {
		all.Go(func() { n.life(ctx) })
		for range 3 {
			all.Go(func() {
				for ctx.Err() == nil {
					n.check(ctx)
				}
			})
		}
		all.Go(func() {
			for ctx.Err() == nil {
				n.change(ctx)
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				<-time.After(s.between(0, 4*time.Second))
				_ = forget(ctx, n) // the database may not answer
			}
		})
	}
	all.Wait()
	for _, n := range s.nodes {
		n.lease.settling.work.Wait()
	}
	s.calls.Wait()
}

// life runs the lease; now and then the process ends in order and begins anew.
func (n *node) life(ctx context.Context) {
	for ctx.Err() == nil {
		life, end := context.WithTimeout(ctx, n.s.between(time.Second, 20*time.Second))
		n.lease.run(life)
		end()
	}
}

func (s *simulation) between(least, most time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return least + time.Duration(s.random.Int64N(int64(most-least)))
}

// KeyDigests implements store.Tx.
func (simulatedTx) KeyDigests(keyIDs ...string) (all [][32]byte, err error) {
	for _, id := range keyIDs {
		all = append(all, [32]byte([]byte(fmt.Sprintf("%-32s", id))))
	}
	return all, nil
}

func (n *node) apply(heard news) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if heard.whole {
		clear(n.kept)
	}
	for _, digest := range heard.secrets {
		delete(n.kept, strings.TrimSpace(string(digest[:])))
	}
	n.seen = max(n.seen, heard.last)
}

func (n *node) key() string {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	return fmt.Sprint("k", n.s.random.IntN(3))
}

// check answers with the state of a key, from memory or the database, and compares it with what was acknowledged before.
func (n *node) check(ctx context.Context) {
	key := n.key()
	n.s.mu.Lock()
	least := n.s.acked[key]
	n.s.mu.Unlock()
	if !n.lease.valid() {
		n.s.mu.Lock()
		n.s.stale++
		n.s.mu.Unlock()
		<-time.After(20 * time.Millisecond)
		return
	}
	n.mu.Lock()
	got, known := n.kept[key]
	n.mu.Unlock()
	if !known {
		type row struct{ state, at int64 }
		read, err := call(ctx, n, func() (row, error) { return row{n.s.keys[key], n.s.n}, nil })
		if err != nil {
			return
		}
		got = read.state
		n.mu.Lock()
		if read.at >= n.seen {
			n.kept[key] = got
		}
		n.mu.Unlock()
	}
	n.s.mu.Lock()
	n.s.checks++
	if got < least && n.s.violation == "" {
		n.s.violation = fmt.Sprintf("%s answers with change %d of %s although %d was acknowledged", n.lease.replica.Name, got, key, least)
	}
	n.s.mu.Unlock()
	<-time.After(n.s.between(0, 60*time.Millisecond))
}

// change changes a key and acknowledges it when lease.await lets it.
func (n *node) change(ctx context.Context) {
	key := n.key()
	<-time.After(n.s.between(0, 400*time.Millisecond))
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	number, err := call(ctx, n, func() (int64, error) {
		n.s.n++
		n.s.keys[key] = n.s.n
		n.s.log = append(n.s.log, store.Change{N: n.s.n, KeyID: key})
		return n.s.n, nil
	})
	if err != nil {
		return
	}
	for _, other := range n.s.nodes { // as NOTIFY does, mostly
		if n.s.between(0, 10) > 2 {
			other.lease.nudge()
		}
	}
	if _, err := n.lease.await(ctx); err != nil {
		return
	}
	n.s.mu.Lock()
	n.s.acked[key] = max(n.s.acked[key], number)
	n.s.acknowledged++
	n.s.mu.Unlock()
}
