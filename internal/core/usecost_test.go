package core

import (
	"runtime"
	"testing"
	"time"
)

// TestUseCosts: noting a use of a key that is known allocates nothing, and of 300 000 keys between two flushes at most what is said
// here is held.
func TestUseCosts(t *testing.T) { //nolint:paralleltest // what others allocate would be counted
	if raced {
		t.Skip("the race detector allocates")
	}
	const (
		keys    = 300_000
		counted = 20 << 20 // while it is counted
		waiting = 10 << 20 // while it waits in the journal
	)
	m := newModel(t, 11, 1)
	ids := make([]string, keys)
	for i := range ids {
		id, err := newID(keyPrefix)
		m.must(err)
		ids[i] = id
	}
	from := Origin{AddressPrefix: "192.0.2.0/24", Agent: "claude-code/2.1"}
	before := heap()
	for _, id := range ids {
		m.u.record(id, 1, m.now, from)
	}
	next := 0
	if n := testing.AllocsPerRun(10_000, func() {
		m.u.record(ids[next%keys], 1, m.now.Add(time.Millisecond), from)
		next += 7919
	}); n != 0 {
		t.Errorf("a use of a known key allocates %v times", n)
	}
	held := func(what string, most uint64) {
		t.Helper()
		got := heap() - before
		t.Logf("%s: %.1f MiB for %d keys", what, float64(got)/(1<<20), keys)
		if got > most {
			t.Errorf("%s: %d bytes, at most %d", what, got, most)
		}
	}
	held("counted", counted)
	m.must(m.u.flush(t.Context()))
	if m.u.kept.keys != keys || m.u.fresh.lost.Load() != 0 {
		t.Fatalf("%d keys are journalled, %d calls are lost", m.u.kept.keys, m.u.fresh.lost.Load())
	}
	m.u.m, m.u.w = merger{}, runWriter{} // what merging used
	held("waiting", waiting)
	runtime.KeepAlive(ids)
}

func heap() uint64 {
	var ms runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first found only finalizers for
	runtime.ReadMemStats(&ms)
	return ms.HeapAlloc
}
