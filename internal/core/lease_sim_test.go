package core

import (
	"context"
	"errors"
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

var errSimulated = errors.New("simulated")

// wire is the way of a call to the database or back: mostly a millisecond, at times long, at times it is cut.
func (n *node) wire(ctx context.Context) error {
	n.s.mu.Lock()
	p := n.s.random.Float64() / n.worse
	took := time.Duration(n.s.random.IntN(3_000_000))
	if p < 0.01 {
		took = time.Duration(n.s.random.Int64N(int64(4 * time.Second)))
	}
	cut := n.s.random.Float64()/n.worse < 0.003
	n.s.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return ctx.Err()
	}
	if cut {
		return errSimulated
	}
	return nil
}

// call makes a call to the database. The caller may give up while it is under way: it happens all the same.
func call[T any](ctx context.Context, n *node, fn func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	n.s.calls.Go(func() {
		var a answer
		if a.err = n.wire(context.WithoutCancel(ctx)); a.err == nil {
			n.s.mu.Lock()
			a.value, a.err = fn()
			n.s.mu.Unlock()
			a.err = errors.Join(a.err, n.wire(context.WithoutCancel(ctx)))
		}
		done <- a
	})
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

type nothing struct{}

func (n *node) join(ctx context.Context, r store.Replica) error {
	_, err := call(ctx, n, func() (nothing, error) {
		n.s.replicas[r.ID] = &r
		return nothing{}, nil
	})
	return err
}

// same reads and renews at one moment, as one statement does.
func (n *node) same(ctx context.Context, id string, seen int64) (bool, error) {
	return call(ctx, n, func() (bool, error) {
		r := n.s.replicas[id]
		if r == nil || r.Applied != seen || n.s.n != seen {
			return false, nil
		}
		r.Renewals++
		return true, nil
	})
}

// beat applies what it read before it commits the renewal, as storeFleet does.
func (n *node) beat(ctx context.Context, id string, seen int64, apply func(news)) error {
	heard, err := call(ctx, n, func() (news, error) { return newsAfter(simulatedTx{s: n.s}, seen) })
	if err != nil {
		return err
	}
	apply(heard)
	_, err = call(ctx, n, func() (nothing, error) {
		r := n.s.replicas[id]
		if r == nil {
			return nothing{}, store.ErrNotFound
		}
		r.Applied, r.Renewals = heard.last, r.Renewals+1
		return nothing{}, nil
	})
	return err
}

// simulatedTx reads the log.
type simulatedTx struct {
	store.Tx

	s *simulation
}

// LastChange implements store.Tx.
func (t simulatedTx) LastChange() (int64, error) { return t.s.n, nil }

// KeyChanges implements store.Tx.
func (t simulatedTx) KeyChanges() (store.KeyChanges, error) {
	return store.KeyChanges{Changed: t.s.n}, nil
}

// KeyDigests implements store.Tx.
func (simulatedTx) KeyDigests(keyIDs ...string) (all [][32]byte, err error) {
	for _, id := range keyIDs {
		all = append(all, [32]byte([]byte(fmt.Sprintf("%-32s", id))))
	}
	return all, nil
}

// ChangesSince implements store.Tx.
func (t simulatedTx) ChangesSince(n int64, _ int) (list []store.Change, err error) {
	for _, c := range t.s.log {
		if c.N > n {
			list = append(list, c)
		}
	}
	if !t.s.careless && (len(list) == 0 || list[0].N != n+1) {
		t.s.gone++
		return nil, store.ErrChangesGone
	}
	return list, nil
}

// prune removes changes up to a number, and often later ones: the database's clock may have been set forward, and the number be of a
// moment that is long gone.
func (n *node) prune(ctx context.Context, upto int64) (bool, error) {
	return call(ctx, n, func() (bool, error) {
		upto = max(upto, n.s.n-n.s.random.Int64N(10))
		for len(n.s.log) > 0 && n.s.log[0].N <= upto {
			n.s.log = n.s.log[1:]
		}
		return false, nil
	})
}

func (n *node) members(ctx context.Context) ([]store.Replica, int64, error) {
	type seen struct {
		all  []store.Replica
		last int64
	}
	a, err := call(ctx, n, func() (s seen, err error) {
		for _, r := range n.s.replicas {
			s.all = append(s.all, *r)
		}
		s.last = n.s.n
		return s, nil
	})
	return a.all, a.last, err
}

func (n *node) remove(ctx context.Context, id string, renewals int64) error {
	_, err := call(ctx, n, func() (nothing, error) {
		if r := n.s.replicas[id]; r == nil || r.Renewals != renewals {
			return nothing{}, store.ErrNotFound
		}
		delete(n.s.replicas, id)
		return nothing{}, nil
	})
	return err
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
