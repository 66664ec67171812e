package core

import (
	"fmt"
	"testing"
	"time"
)

// TestCallersWithoutEnd: callers that come and go, many times as many as have numbers at once, are all known, and so are those whose
// use waits in the journal all that time.
func TestCallersWithoutEnd(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it runs in one goroutine; the race detector would only make it slow")
	}
	const keys, rounds, callers = foldAtOnce + 2, 12, 16_000
	m := newModel(t, 9, keys)
	at := m.now
	agent := func(i int) Origin { return Origin{Agent: fmt.Sprint("waits/", i)} }
	for i, id := range m.ids[1:] {
		m.u.record(id, 1, at, agent(i))
	}
	m.must(m.u.flush(t.Context()))
	if m.u.kept.keys != keys-1 {
		t.Fatalf("%d keys are journalled", m.u.kept.keys)
	}
	n := 0
	for range rounds {
		for range callers {
			n++
			m.now = m.now.Add(10 * time.Microsecond) // all in one minute
			m.u.record(m.ids[0], 1, m.now, Origin{AddressPrefix: fmt.Sprint("2001:db8:", n%1000, "::/48"), Agent: fmt.Sprint("agent/", n)})
		}
		m.must(m.u.flush(t.Context()))
		for i, c := range m.read(m.ids[0], windowAt(m.now)).Callers {
			if want := fmt.Sprint("agent/", n-i); c.Agent != want {
				t.Fatalf("caller %d of %d is %q, want %q", n-i, n, c.Agent, want)
			}
		}
	}
	check := func(when string) {
		t.Helper()
		for i, id := range m.ids[1:] {
			use := m.read(id, windowAt(m.now))
			if len(use.Callers) != 1 || use.Callers[0].Agent != agent(i).Agent {
				t.Fatalf("%s: key %d was used by %+v", when, i, use.Callers)
			}
		}
	}
	check("in the journal")
	for m.u.kept.keys > 0 {
		_, err := m.u.foldSome(t.Context())
		m.must(err)
	}
	check("in rows")
}

// TestMoreCallersThanNumbers: those that find none between two flushes are nobody that is known, and no other caller; then there is
// room again.
func TestMoreCallersThanNumbers(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it runs in one goroutine; the race detector would only make it slow")
	}
	m := newModel(t, 10, originsMax/tuplesMax+2)
	for n := range originsMax + 10 { // each key has as many as it may
		m.u.record(m.ids[n/tuplesMax], 1, m.now, Origin{Agent: fmt.Sprint("agent/", n)})
	}
	last := m.ids[len(m.ids)-1]
	m.u.record(last, 1, m.now, Origin{Agent: "late"})
	callers := func() []CallerUse { return m.read(last, windowAt(m.now)).Callers }
	if got := callers(); len(got) != 1 || got[0].Agent != "" {
		t.Errorf("it was used by %+v", got)
	}
	select {
	case <-m.u.wake:
	default:
		t.Error("it is not time to write")
	}
	m.must(m.u.flush(t.Context()))
	m.now = m.now.Add(time.Second)
	m.u.record(last, 1, m.now, Origin{Agent: "later"})
	if got := callers(); len(got) != 2 || got[0].Agent != "later" || got[1].Agent != "" {
		t.Errorf("it was used by %+v", got)
	}
}
