package core

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/keyfob/keyfob/internal/store"
)

// What the model of the database takes from package postgres: round trips of each call of a transaction. TestScaleTrips compares
// them with the real server's.
const (
	tripsBegin, tripsCommit = 1, 1
	tripsCount              = 1 // LastChange, KeyChanges, ChangesSince: the first of them
	tripsSince              = 1 // ChangesSince
	tripsDigests            = 1 // KeyDigests
	tripsMaterials          = 1 // Materials
	tripsRenew              = 1 // RenewReplica
	tripsQuick              = 1 // Renew, Members
	tripsHolder             = 1 // KeyByDigest
	tripsChange             = 6 // all that SetKeyEnabled asks between BEGIN and COMMIT

	poolConns  = 4 // of a replica, for all but leases
	apartConns = 3 // for leases
)

// modelCosts are what the model can't know by itself; measureCosts measures them on a real server.
type modelCosts struct {
	quick, beat, members, change, wake, read time.Duration // CPU of the database for a transaction of each kind
	sync                                     time.Duration // what a commit waits for the disk
	use                                      time.Duration // CPU of the database for the use of one key in one flush
	local                                    time.Duration // a round trip on one machine
}

// roundCosts are for what needs no certain machine.
func roundCosts() modelCosts {
	return modelCosts{
		quick: 50 * time.Microsecond, beat: 300 * time.Microsecond, members: 200 * time.Microsecond, change: time.Millisecond, wake: 50 * time.Microsecond,
		read: 200 * time.Microsecond, sync: time.Millisecond, use: 200 * time.Microsecond, local: 100 * time.Microsecond,
	}
}

// modelDatabase is one primary in memory and virtual time: processors that take one statement after another, the log of changes and
// the leases. Its transactions see a snapshot; one that changes a key and finds, at its end, that another did meanwhile is undone.
type modelDatabase struct {
	costs   modelCosts
	start   time.Time
	counter chan struct{} // holds a token while no transaction holds the row that counts changes

	mu        sync.Mutex
	free      []time.Duration // when each processor is free
	busy      time.Duration
	log       []store.Change
	replicas  map[string]store.Replica
	listeners map[*modelNode]func()
	beats     int
	looks     int
	undone    int
}

func newModelDatabase(costs modelCosts, processors int) *modelDatabase {
	d := &modelDatabase{
		costs: costs, start: time.Now(), counter: make(chan struct{}, 1), free: make([]time.Duration, processors),
		replicas: map[string]store.Replica{}, listeners: map[*modelNode]func(){},
	}
	d.counter <- struct{}{}
	return d
}

// serve has a processor work, once one is free, and says when that is done from now.
func (d *modelDatabase) serve(work time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, first := time.Since(d.start), 0
	for i, free := range d.free {
		if free < d.free[first] {
			first = i
		}
	}
	done := max(now, d.free[first]) + work
	d.free[first] = done
	d.busy += work
	return done - now
}

// modelNode is a replica: the real service, on its way to the database.
type modelNode struct {
	db   *modelDatabase
	rtt  time.Duration
	loss float64 // of a round trip: it is sent again after resend
	svc  *Service

	seed uint64
	mu   sync.Mutex
	cut  time.Duration // until when nothing arrives
}

// resend is after how long TCP sends again what got lost, at the least (Linux).
const resend = 200 * time.Millisecond

// chance is what the node draws from at this moment, for this purpose: what runs at one moment runs in any order, and must draw the same.
func (n *modelNode) chance(purpose time.Duration) *rand.Rand {
	return rand.New(rand.NewPCG(n.seed, uint64(time.Since(n.db.start))<<20^uint64(purpose)))
}

// way is how long one way takes now, on an errand: half the distance and up to a tenth more.
func (n *modelNode) way(errand time.Duration) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	random := n.chance(errand)
	took := time.Duration(float64(n.rtt) / 2 * (1 + random.Float64()/10))
	if random.Float64() < n.loss/2 {
		took += resend
	}
	if now := time.Since(n.db.start); now < n.cut {
		took += n.cut - now
	}
	return took
}

// between draws a time.
func (n *modelNode) between(least, most time.Duration) time.Duration {
	return least + time.Duration(n.chance(1).Float64()*float64(most-least))
}

// hold cuts the replica off for a while, as a pause of its process or of the network does.
func (n *modelNode) hold(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = time.Since(n.db.start) + d
}

// trips makes round trips one after another. What is done at the server is done however long the caller waits.
func (n *modelNode) trips(ctx context.Context, many int, work time.Duration, at func()) error {
	for i := range many {
		if err := passes(ctx, n.way(work)); err != nil {
			return err
		}
		if i == 0 && at != nil {
			at()
		}
		if err := passes(ctx, n.db.serve(work)+n.way(work)); err != nil {
			return err
		}
	}
	return nil
}

func passes(ctx context.Context, d time.Duration) error {
	wait(ctx, d)
	return ctx.Err()
}

// modelStore is a node's store.
type modelStore struct {
	node  *modelNode
	conns chan struct{}
	gate  *semaphore.Weighted
	apart *modelStore // nil: this is it
}

func newModelStore(n *modelNode, conns int) *modelStore {
	side := func(conns int) *modelStore {
		return &modelStore{node: n, conns: make(chan struct{}, conns), gate: semaphore.NewWeighted(1 << 20)}
	}
	s := side(conns)
	s.apart = side(apartConns)
	return s
}

func (s *modelStore) Apart() store.Store         { return s.apart }
func (s *modelStore) Ping(context.Context) error { return nil }
func (s *modelStore) Close() error               { return nil }

func (s *modelStore) Wake(ctx context.Context) error {
	d := s.node.db
	return s.node.trips(ctx, 1, d.costs.wake, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		for to, fn := range d.listeners {
			time.AfterFunc(to.way(0), fn)
		}
	})
}

func (s *modelStore) Woken(ctx context.Context, fn func()) {
	d := s.node.db
	d.mu.Lock()
	d.listeners[s.node] = fn
	d.mu.Unlock()
	<-ctx.Done()
	d.mu.Lock()
	delete(d.listeners, s.node)
	d.mu.Unlock()
}

func (s *modelStore) View(ctx context.Context, fn func(store.Tx) error) error {
	c := s.node.db.costs
	work := c.read / (tripsBegin + tripsHolder + tripsCount + tripsCommit)
	if s.apart == nil {
		work = c.members / tripsQuick
	}
	return s.run(ctx, work, fn)
}

// Renew implements Quick.
func (s *modelStore) Renew(ctx context.Context, id string, applied int64) (renewed bool, err error) {
	err = s.quick(ctx, s.node.db.costs.quick, func(d *modelDatabase) {
		if r, found := d.replicas[id]; found && r.Applied == applied && int64(len(d.log)) == applied {
			r.Renewals++
			d.replicas[id], renewed = r, true
			d.beats++
		}
	})
	return renewed, err
}

// Members implements Quick.
func (s *modelStore) Members(ctx context.Context) (all []store.Replica, last int64, err error) {
	err = s.quick(ctx, s.node.db.costs.members, func(d *modelDatabase) {
		last = int64(len(d.log))
		for _, r := range d.replicas {
			all = append(all, r)
		}
		d.looks++
	})
	return all, last, err
}

// quick is one statement without a transaction around it.
func (s *modelStore) quick(ctx context.Context, work time.Duration, fn func(*modelDatabase)) error {
	select {
	case s.conns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.conns }()
	d := s.node.db
	return s.node.trips(ctx, tripsQuick, work, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		fn(d)
	})
}

var errModelConflict = errors.New("the transaction met another")

// Update runs fn again as package postgres does.
func (s *modelStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	c := s.node.db.costs
	work := c.change / (tripsBegin + tripsChange + tripsCommit)
	if s.apart == nil {
		work = c.beat / (tripsBegin + tripsCount + tripsRenew + tripsCommit)
	}
	for try := 0; ; try++ {
		weight := int64(1)
		if try > 0 {
			weight = 1 << 20
		}
		if err := s.gate.Acquire(ctx, weight); err != nil {
			return err
		}
		err := s.run(ctx, work, fn)
		s.gate.Release(weight)
		if !errors.Is(err, errModelConflict) {
			return err
		}
		if err := passes(ctx, s.node.between(0, min(2*time.Millisecond<<min(try, 10), 100*time.Millisecond))); err != nil {
			return err
		}
	}
}

func (s *modelStore) run(ctx context.Context, work time.Duration, fn func(store.Tx) error) error {
	select {
	case s.conns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.conns }()
	t := &modelTx{ctx: ctx, node: s.node, work: work}
	if err := s.node.trips(ctx, tripsBegin, work, nil); err != nil {
		return err
	}
	if err := fn(t); err != nil {
		return err
	}
	return t.commit(context.WithoutCancel(ctx))
}
