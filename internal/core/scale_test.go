package core

import (
	"testing"
	"time"
)

func smallScene() scene {
	return scene{seed: 1, costs: roundCosts(), processors: 2, distances: far(3, 0, sameZone, 0), changes: 5, lasts: 20 * time.Second}
}

const (
	sameZone = 500 * time.Microsecond
	inRegion = 10 * time.Millisecond
	farOff   = 80 * time.Millisecond
	farthest = 150 * time.Millisecond
)

func TestScaleWithoutDistance(t *testing.T) {
	t.Parallel()
	s := smallScene()
	s.distances = far(3, 0, 0, 0)
	s.costs = modelCosts{read: time.Microsecond}
	o := play(t, s)
	if len(o.changes) < 60 || o.failed > 0 || o.refused > 0 {
		t.Fatalf("%d changes, %d failed, %d refused", len(o.changes), o.failed, o.refused)
	}
	// Nothing takes time but the waits of lease.await.
	if slowest := o.at(1); slowest > 2*askFirst {
		t.Errorf("a change takes %s", slowest)
	}
}

func TestScaleOneIsCutOff(t *testing.T) {
	t.Parallel()
	s := smallScene()
	s.cut, s.lasts = 10*time.Second, 20*time.Second
	o := play(t, s)
	if least, most := leaseOver-beatEvery, leaseOver+100*time.Millisecond; o.at(1) < least || o.at(1) > most {
		t.Errorf("the longest change took %s, want %s to %s", o.at(1), least, most)
	}
	if o.at(0.5) > 50*time.Millisecond { // the others wait for it no more
		t.Errorf("median %s", o.at(0.5))
	}
	if o.stoodUp > leaseFor {
		t.Errorf("%s until it answered again", o.stoodUp)
	}
	// One of three refuses for ten seconds less its lease, of twenty.
	if share := float64(o.refused) / float64(o.checks); share < 0.14 || share > 0.18 {
		t.Errorf("%.3f of the checks were refused", share)
	}
}

func TestScaleIsTheSameBySeed(t *testing.T) {
	t.Parallel()
	s := smallScene()
	s.loss, s.everyone, s.load = 0.001, true, 0.3
	a, b := play(t, s), play(t, s)
	s.seed = 2
	if c := play(t, s); a.at(0.5) != b.at(0.5) || a.at(1) != b.at(1) || a.refused != b.refused || a.at(0.5) == c.at(0.5) {
		t.Errorf("seed 1: %s, %s, %d and %s, %s, %d; seed 2: %s", a.at(0.5), a.at(1), a.refused, b.at(0.5), b.at(1), b.refused, c.at(0.5))
	}
}

// TestScaleMemory: however many keys there are, a replica keeps no more than fit, and few that are asked for again and again.
func TestScaleMemory(t *testing.T) {
	t.Parallel()
	const blob, most = 128, chunksMost * chunkSize
	m := remember(popularity{keys: 1 << 40, of: 1}, most/blob*3/2, 1)
	if m.kept > most/64 || m.kept < most/blob || m.misses < 0.999 {
		t.Errorf("of ever new keys %d are kept, %.3f are misses", m.kept, m.misses)
	}
	p := popularity{keys: 20_000, of: 4}
	if m = remember(p, 200_000, 1); m.misses > 0 || m.kept < 4500 || m.kept > 5500 {
		t.Errorf("of a quarter of 20 000 keys %d are kept, %.3f are misses", m.kept, m.misses)
	}
	even, drawn := popularity{keys: 1000, of: 1}, map[uint64]bool{}
	for draw, i := even.draws(1), 0; i < 1000; i++ {
		drawn[draw()] = true
	}
	if got := even.distinct(1000, 1); got < 0.9*float64(len(drawn)) || got > 1.1*float64(len(drawn)) {
		t.Errorf("%.0f keys are said to be used, %d are", got, len(drawn))
	}
}

// TestScaleConflicts: changes from all sides meet each other; those from one side, one after another, do not.
func TestScaleConflicts(t *testing.T) {
	t.Parallel()
	s := smallScene()
	s.changes, s.distances = 0, far(3, 1, 0, inRegion)
	if o := play(t, s); o.undone > 0 || o.failed > 0 || len(o.changes) < 20 {
		t.Errorf("from one: %d changes, %d failed, %d were run again", len(o.changes), o.failed, o.undone)
	}
	s.everyone = true
	if o := play(t, s); o.undone == 0 || len(o.changes) < 20 {
		t.Errorf("from all: %d changes, %d were run again", len(o.changes), o.undone)
	}
}
