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
