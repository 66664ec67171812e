package core

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

var (
	scaleLarge = flag.Bool("scale", false, "TestScale measures this machine and prints what many replicas and keys would do")                    //nolint:gochecknoglobals // a flag
	scaleRound = flag.Bool("scale-round", false, "it goes by round figures in the place of measured ones, so that it prints the same each time") //nolint:gochecknoglobals // a flag
	scaleSeed  = flag.Uint64("scale-seed", 1, "the seed of what TestScale simulates")                                                            //nolint:gochecknoglobals // a flag
)

// processors of the database that is simulated, each as fast as one of the machine that measures.
const processors = 8

// TestScale prints the tables of docs/scale.md.
func TestScale(t *testing.T) { //nolint:paralleltest // it measures
	if !*scaleLarge {
		t.Skip("it takes minutes; `make bench-sim` runs it")
	}
	began := time.Now()
	s := &scales{T: t, out: t.Output(), costs: roundCosts()}
	if !*scaleRound {
		r := newRealDatabase(t, 5000)
		s.costs = measureCosts(r)
		s.measured(r)
		s.against(r)
	}
	s.changes()
	s.distances()
	s.pauses()
	s.rates()
	s.warmUp()
	s.memories()
	s.load()
	fmt.Fprintf(s.out, "\nall in %s\n", time.Since(began).Round(time.Second))
}

type scales struct {
	*testing.T

	out    io.Writer
	costs  modelCosts
	misses map[popularity]float64
}

// scene is one that nothing is wrong with.
func (s *scales) scene(distances []time.Duration) scene {
	return scene{seed: *scaleSeed, costs: s.costs, processors: processors, distances: distances, changes: 5, loss: 0.0001, lasts: time.Minute}
}

// measured prints what the model goes by.
func (s *scales) measured(r *realDatabase) {
	svc, _ := r.replica("checks", r.open(0))
	_, err := svc.SetKeyEnabled(r.Context(), r.owner, realOrg, r.key, true, "")
	r.must(err)
	const checks = 300_000
	presented := r.secret.Reveal()
	before := ownCPU(s.T)
	for range checks {
		if _, err := svc.CheckKey(r.Context(), presented, Origin{AddressPrefix: "192.0.2.0/24", Agent: "bench/1"}); err != nil {
			s.Fatal(err)
		}
	}
	check := (ownCPU(s.T) - before) / checks
	r.must(svc.Close(r.Context()))
	m := remember(popularity{keys: 1 << 40, of: 1}, 1_000_000, *scaleSeed)
	c := s.costs
	s.table("What was measured on this machine", "what", "CPU of PostgreSQL", "round trips")
	s.row("renewal of a lease", c.quick, tripsQuick)
	s.row("the same after a change, without its digests", c.beat, tripsBegin+tripsCount+tripsRenew+tripsCommit)
	s.row("look at the leases", c.members, tripsQuick)
	s.row("disable, without the wait", c.change, tripsBegin+tripsChange+tripsCommit)
	s.row("wake of the others", c.wake, 1)
	s.row("read of a key by its digest", c.read, tripsBegin+tripsHolder+tripsCount+tripsCommit)
	s.row("use of one key in one flush", c.use, "")
	fmt.Fprintf(s.out, "\na round trip on this machine %s; a commit waits %s for the disk; a check without HTTP %d ns of CPU; a kept key %.0f bytes\n",
		brieflyTime(c.local), brieflyTime(c.sync), check.Nanoseconds(), m.bytes/float64(m.kept))
}

// against prints simulated figures beside real ones.
func (s *scales) against(r *realDatabase) {
	s.table("Simulated beside measured, all on this machine; changes one after another", "what", "median", "p99", "a second", "simulated: median", "p99", "a second")
	const lasts = 3 * time.Second
	for _, c := range []struct {
		replicas int
		distance time.Duration
		everyone bool
	}{{1, 0, false}, {2, 0, false}, {3, 0, false}, {3, 0, true}, {3, 20 * time.Millisecond, false}, {3, 20 * time.Millisecond, true}} {
		var all []*Service
		for i := range c.replicas {
			svc, _ := r.replica(fmt.Sprint("r", i), r.open(c.distance))
			all = append(all, svc)
		}
		by := all[:1]
		if c.everyone {
			by = all
		}
		measured := r.together(by, lasts)
		for _, svc := range all {
			r.must(svc.Close(r.Context()))
		}
		sc := s.scene(far(c.replicas, 1, 0, max(c.distance, s.costs.local)))
		sc.processors, sc.loss, sc.changes, sc.everyone, sc.lasts = runtime.NumCPU(), 0, 0, c.everyone, lasts
		o := play(s.T, sc)
		what := fmt.Sprintf("%d replicas, round trip %s", c.replicas, brieflyTime(max(c.distance, s.costs.local)))
		if c.everyone {
			what += ", each changes keys"
		}
		rate := func(o outcome) string { return fmt.Sprintf("%.1f", float64(len(o.changes))/lasts.Seconds()) }
		s.row(what, measured.at(0.5), measured.at(0.99), rate(measured), o.at(0.5), o.at(0.99), rate(o))
	}
}

// changes: how long a change takes.
func (s *scales) changes() {
	s.table("A change, made beside the database, until it is answered", "replicas", "where", "p50", "p99", "most", "checks refused, of a million")
	for _, n := range []int{3, 10, 30, 100} {
		for _, p := range []struct {
			where     string
			distances []time.Duration
		}{
			{"all in one zone, 0.5 ms", far(n, 0, sameZone, 0)},
			{"two thirds 10 ms away", far(n, 2.0/3, sameZone, inRegion)},
			{"a third 40 ms away", far(n, 1.0/3, sameZone, 40*time.Millisecond)},
			{"a third 80 ms away", far(n, 1.0/3, sameZone, farOff)},
		} {
			o := play(s.T, s.scene(p.distances))
			s.row(n, p.where, o.at(0.5), o.at(0.99), o.at(1), fmt.Sprintf("%.0f", o.perMillion()))
		}
	}
}

// distances: what one replica does that is far away, and what a change made there takes.
func (s *scales) distances() {
	s.table("Ten replicas, all as far from the database", "round trip",
		"checks refused, of a million: no packet lost", "one in a hundred lost", "change made there: p50", "p99", "not answered")
	for _, rtt := range []time.Duration{sameZone, inRegion, 20 * time.Millisecond, 30 * time.Millisecond, 40 * time.Millisecond, 50 * time.Millisecond, 60 * time.Millisecond, farOff, farthest} {
		cells := []any{rtt}
		sc := s.scene(far(10, 1, 0, rtt))
		for _, loss := range []float64{0, 0.01} {
			sc.loss = loss
			cells = append(cells, fmt.Sprintf("%.0f", play(s.T, sc).perMillion()))
		}
		sc.loss, sc.changes = 0, 0.2
		sc.lasts *= 3
		o := play(s.T, sc)
		s.row(append(cells, o.at(0.5), o.at(0.99), fmt.Sprintf("%d of %d", o.failed, o.failed+len(o.changes)))...)
	}
}

// pauses: what it costs that one is away.
func (s *scales) pauses() {
	s.table("One of ten replicas in one zone is paused or cut off; 5 changes a second", "for", "changes over 100 ms", "the longest", "p50 of all", "it refuses", "again after")
	for _, d := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, 1500 * time.Millisecond, 10 * time.Second} {
		sc := s.scene(far(10, 0, sameZone, 0))
		sc.cut, sc.lasts = d, 30*time.Second
		o := play(s.T, sc)
		slow := 0
		for _, c := range o.changes {
			if c > 100*time.Millisecond {
				slow++
			}
		}
		s.row(d, slow, o.at(1), o.at(0.5), time.Duration(o.worst*float64(sc.lasts)), o.stoodUp)
	}
}

// rates: what the database bears.
func (s *scales) rates() {
	s.table(fmt.Sprintf("Changes at once, 10 replicas, %d processors", processors), "changes/s", "made by", "p50", "p99", "run again, of a hundred", "not answered", "of the database")
	for _, p := range []struct {
		where    string
		rtt      time.Duration
		everyone bool
	}{{"one, 0.5 ms away", sameZone, false}, {"all, 0.5 ms away", sameZone, true}, {"all, 10 ms away", inRegion, true}} {
		for _, rate := range []float64{1, 10, 30, 100} {
			sc := s.scene(far(10, 1, 0, p.rtt))
			sc.changes, sc.everyone, sc.lasts = rate, p.everyone, 20*time.Second
			o := play(s.T, sc)
			all := len(o.changes) + o.failed
			s.row(rate, p.where, o.at(0.5), o.at(0.99), fmt.Sprintf("%.0f", 100*float64(o.undone)/float64(all)), fmt.Sprintf("%d of %d", o.failed, all), percent(o.busy))
		}
	}
}

// warmUp: how fast a replica that knows nothing reads keys.
func (s *scales) warmUp() {
	s.table("A replica that knows nothing yet", "round trip", "connections", "keys read a second", "10 000 keys", "a million")
	for _, rtt := range []time.Duration{sameZone, inRegion, 40 * time.Millisecond, farOff} {
		for _, conns := range []int{poolConns, 32} {
			rate := s.readRate(rtt, conns)
			s.row(rtt, conns, fmt.Sprintf("%.0f", rate), time.Duration(1e4/rate*float64(time.Second)), time.Duration(1e6/rate*float64(time.Second)))
		}
	}
}

func (s *scales) readRate(rtt time.Duration, conns int) float64 {
	const lasts = 2 * time.Second
	var read atomic.Int64
	synctest.Test(s.T, func(t *testing.T) {
		sc := s.scene([]time.Duration{rtt})
		sc.loss, sc.conns = 0, conns
		w := newWorld(sc)
		svc := w.nodes[0].svc
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				for ctx.Err() == nil {
					if _, err := svc.index.read(ctx, secret.New(secret.Key)); err == nil {
						read.Add(1)
					}
				}
			})
		}
		group.Wait()
	})
	return float64(read.Load()) / lasts.Seconds()
}

func populations() []popularity {
	var list []popularity
	for _, keys := range []uint64{1_000_000, 10_000_000, 100_000_000} {
		for _, zipf := range []float64{0, 1.01, 1.2} {
			list = append(list, popularity{keys: keys, zipf: zipf, of: 1})
		}
	}
	return append(list, popularity{100_000_000, 0, 10}, popularity{100_000_000, 1.01, 10})
}

func (p popularity) String() string {
	how := "all alike"
	if p.zipf > 0 {
		how = fmt.Sprintf("Zipf %g", p.zipf)
	}
	if p.of > 1 {
		how += fmt.Sprintf(", one in %d of them", p.of)
	}
	return fmt.Sprintf("%d million, %s", p.keys/1_000_000, how)
}

// memories: what a replica keeps.
func (s *scales) memories() {
	s.misses = map[popularity]float64{}
	const checks = 3_000_000
	s.table(fmt.Sprintf("Memory of keys at one replica after %d million checks", checks/1_000_000), "keys, popularity", "kept", "memory", "checks that ask the database", "warm after, checks")
	for _, p := range populations() {
		m := remember(p, checks, *scaleSeed)
		s.misses[p] = m.misses
		s.row(p, m.kept, fmt.Sprintf("%.0f MB", m.bytes/1e6), percent(m.misses), m.warm)
	}
}

// load: what the one database bears.
func (s *scales) load() {
	c := s.costs
	s.table("Leases alone, all in one zone, 1 change a second", "replicas", "renewals/s", "looks/s", "of the database")
	for _, n := range []int{3, 10, 30, 100} {
		sc := s.scene(far(n, 0, sameZone, 0))
		sc.changes, sc.lasts = 1, 20*time.Second
		o := play(s.T, sc)
		s.row(n, fmt.Sprintf("%.0f", o.beats), fmt.Sprintf("%.0f", o.looks), percent(o.busy))
	}
	s.table(fmt.Sprintf("Checks: load of a database with %d such processors, 10 replicas", processors),
		"checks/s, in all", "keys, popularity", "reads/s", "of the database", "keys whose use is written/s", "of the database")
	const replicas = 10
	per := flushEvery.Seconds()
	for _, checks := range []float64{1000, 10_000, 100_000} {
		for _, p := range populations() {
			if p.zipf == 1.2 || p.keys == 10_000_000 {
				continue
			}
			reads := checks * s.misses[p]
			used := replicas * p.whole().distinct(checks*per/replicas, *scaleSeed) / per
			if p.of == replicas { // no key is used at two of them
				used = p.whole().distinct(checks*per, *scaleSeed) / per
			}
			share := func(rate float64, each time.Duration) string { return percent(rate * each.Seconds() / processors) }
			s.row(fmt.Sprintf("%.0f", checks), p, fmt.Sprintf("%.0f", reads), share(reads, c.read), fmt.Sprintf("%.0f", used), share(used, c.use))
		}
	}
}
