package core

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// scene is what is simulated.
type scene struct {
	seed       uint64
	costs      modelCosts
	processors int             // of the database
	distances  []time.Duration // round trip of each replica to the database; changes are made by the first
	everyone   bool            // changes are made by all
	loss       float64         // share of round trips in which a packet is lost
	changes    float64         // a second, in all, each begun when it is due; 0: one after another, without a rest
	conns      int             // of each replica, for all but leases; 0: as many as it has unless told otherwise
	load       float64         // share of the database that other work takes
	lasts      time.Duration   // that is looked at, after a start that isn't
	cut        time.Duration   // for how long the last replica is cut off, from the beginning
}

// outcome is what came of it.
type outcome struct {
	changes []time.Duration // by length
	failed  int             // changes that were not answered
	checks  int             // moments in which a replica was looked at
	refused int             // in which it had no lease
	worst   float64         // share of the refused, of the replica that refused most
	beats   float64         // a second
	looks   float64         // at the leases, a second
	undone  int             // changes that met another and were run again
	busy    float64         // share of the database's processors
	stoodUp time.Duration   // when the replica that was cut off had a lease again, from when it was reached again
}

func (o outcome) at(share float64) time.Duration {
	if len(o.changes) == 0 {
		return 0
	}
	return o.changes[min(len(o.changes)-1, int(share*float64(len(o.changes))))]
}

func (o *outcome) sort() { slices.Sort(o.changes) }

func (o outcome) perMillion() float64 { return 1e6 * float64(o.refused) / float64(max(1, o.checks)) }

const (
	sceneStart = 5 * time.Second // until all have joined
	lookEvery  = 20 * time.Millisecond
)

// play runs a scene in virtual time. What runs is the real Service, its lease and its barrier, on a model of the database.
func play(t *testing.T, s scene) (o outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(s)
		defer w.close()
		o = w.run(t.Context())
	})
	return o
}

type world struct {
	scene

	db    *modelDatabase
	nodes []*modelNode
}

func newWorld(s scene) *world {
	w := &world{scene: s, db: newModelDatabase(s.costs, s.processors)}
	for i, rtt := range s.distances {
		n := &modelNode{db: w.db, rtt: rtt, loss: s.loss, seed: s.seed<<10 + uint64(i)}
		n.svc = &Service{
			store: newModelStore(n, cmp.Or(s.conns, poolConns)), clock: time.Now, log: slog.New(slog.DiscardHandler), usage: &usage{},
		}
		n.svc.keys.peppers = newPeppers(modelMaterial(), keySource{})
		n.svc.index = newIndex(n.svc.view, n.svc.keys.peppers)
		w.nodes = append(w.nodes, n)
	}
	return w
}

func (w *world) close() {
	var group sync.WaitGroup
	for _, n := range w.nodes {
		if n.svc.replica != nil {
			n.hold(0)
			group.Go(n.svc.replica.close)
		}
	}
	group.Wait()
}

func (w *world) run(ctx context.Context) (o outcome) {
	for _, n := range w.nodes { // out of step
		wait(ctx, n.between(0, 2*sceneStart/5/time.Duration(len(w.nodes))))
		n.svc.lead(Config{Replica: "r"}) //nolint:contextcheck // it ends with close
	}
	wait(ctx, sceneStart-time.Since(w.db.start))
	w.db.mu.Lock()
	busy, beats, looks := w.db.busy, w.db.beats, w.db.looks
	w.db.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, w.lasts)
	defer cancel()
	var (
		group sync.WaitGroup
		mu    sync.Mutex
	)
	if w.load > 0 {
		group.Go(func() { w.background(ctx) })
	}
	last := w.nodes[len(w.nodes)-1]
	if w.cut > 0 {
		last.hold(w.cut)
		group.Go(func() {
			wait(ctx, w.cut)
			back := time.Now()
			for !last.svc.replica.lease.valid() && ctx.Err() == nil {
				wait(ctx, time.Millisecond)
			}
			o.stoodUp = time.Since(back)
		})
	}
	for _, n := range w.nodes {
		group.Go(func() {
			checks, refused := n.look(ctx)
			mu.Lock()
			defer mu.Unlock()
			o.checks, o.refused = o.checks+checks, o.refused+refused
			o.worst = max(o.worst, float64(refused)/float64(max(1, checks)))
		})
	}
	w.make(ctx, &mu, &o)
	group.Wait()
	w.db.mu.Lock()
	defer w.db.mu.Unlock()
	took := w.lasts.Seconds()
	o.beats, o.looks, o.undone = float64(w.db.beats-beats)/took, float64(w.db.looks-looks)/took, w.db.undone
	o.busy = (w.db.busy - busy).Seconds() / took / float64(w.processors)
	o.sort()
	return o
}

// make has changes made until ctx ends, and waits for all.
func (w *world) make(ctx context.Context, mu *sync.Mutex, o *outcome) {
	change := func(by *modelNode, key string) {
		began := time.Now()
		err := by.change(context.WithoutCancel(ctx), key)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			o.failed++
			return
		}
		o.changes = append(o.changes, time.Since(began))
	}
	var group sync.WaitGroup
	defer group.Wait()
	authors := w.nodes[:1]
	if w.everyone {
		authors = w.nodes
	}
	if w.changes == 0 {
		for i, by := range authors {
			group.Go(func() {
				for ctx.Err() == nil {
					change(by, fmt.Sprint("key_", i))
				}
			})
		}
		return
	}
	random := rand.New(rand.NewPCG(w.seed, 1<<32))
	for i := 0; ; i++ {
		if passes(ctx, time.Duration(random.ExpFloat64()/w.changes*float64(time.Second))) != nil {
			return
		}
		by := authors[random.IntN(len(authors))]
		group.Go(func() { change(by, fmt.Sprint("key_", i)) })
	}
}

// change is a disable.
func (n *modelNode) change(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return n.svc.update(ctx, func(tx store.Tx) error {
		if _, err := tx.Key("org", id); err != nil {
			return err
		}
		return tx.UpdateKey(store.Key{ID: id})
	})
}

// look asks again and again whether a check would be answered.
func (n *modelNode) look(ctx context.Context) (checks, refused int) {
	for passes(ctx, n.between(0, 2*lookEvery)) == nil {
		checks++
		if !n.svc.replica.lease.valid() {
			refused++
		}
	}
	return checks, refused
}

// background has the database work for others: reads, use and whatever else, a statement at a time.
func (w *world) background(ctx context.Context) {
	random := rand.New(rand.NewPCG(w.seed, 2<<32))
	statement := w.costs.read / 4
	rate := w.load * float64(w.processors) / statement.Seconds()
	for passes(ctx, time.Duration(random.ExpFloat64()*float64(time.Millisecond))) == nil {
		for range int(rate/1000 + random.Float64()) {
			w.db.serve(statement)
		}
	}
}

// far is a number of replicas, of which the given share, the last ones, is at a distance, and the others beside the database.
func far(replicas int, share float64, near, distance time.Duration) []time.Duration {
	list := make([]time.Duration, replicas)
	for i := range list {
		if list[i] = near; i >= replicas-int(share*float64(replicas)+0.5) {
			list[i] = distance
		}
	}
	return list
}
