package core

import (
	"errors"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// TestTheJournalIsShort: however often the same keys are used before they are folded, the journal has few rows for who takes it over.
func TestTheJournalIsShort(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it runs in one goroutine; the race detector would only make it slow")
	}
	const flushes, bound = 2*journalSpare + 20, journalSpare + 3
	m := newModel(t, 12, foldAtOnce)
	shortened := 0
	for range flushes {
		m.now = m.now.Add(time.Second)
		for _, id := range m.ids {
			m.u.record(id, 1, m.now, Origin{Agent: "a"})
		}
		m.must(m.u.flush(t.Context()))
		before := m.u.journal.seq
		m.must(m.u.shorten(t.Context()))
		if m.u.journal.seq < before {
			shortened++
		}
		if n := m.u.journal.rows(); n > bound {
			t.Fatalf("the journal has %d rows", n)
		}
		m.journalled()
	}
	if shortened != 2 {
		t.Errorf("it was shortened %d times", shortened)
	}
	m.crash()
	m.open()
	if n := m.u.journal.rows(); n != 1 {
		t.Errorf("who took it over has %d rows", n)
	}
	for _, id := range m.ids[:100] {
		if got := m.read(id, windowAt(m.now)); got.Calls24h != flushes {
			t.Fatalf("%s was called %d times, want %d", id, got.Calls24h, flushes)
		}
	}
}

// TestFoldingGoesOn: a journal that is written anew is folded on from where folding was, so that the last keys have their turn, too.
func TestFoldingGoesOn(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it runs in one goroutine; the race detector would only make it slow")
	}
	m := newModel(t, 13, foldAtOnce+flushBatch)
	use := func() {
		m.now = m.now.Add(time.Second)
		for _, id := range m.ids {
			m.u.record(id, 1, m.now, Origin{Agent: "a"})
		}
		m.must(m.u.flush(t.Context()))
	}
	use()
	const steps = (foldAtOnce + flushBatch) / flushBatch
	for range steps {
		_, err := m.u.foldSome(t.Context())
		m.must(err)
		use()
		m.must(m.u.rewrite(t.Context()))
	}
	m.must(m.st.View(t.Context(), func(tx store.Tx) error {
		for _, id := range m.ids {
			row, err := tx.Key("org_1", id)
			if err != nil {
				return err
			}
			if row.LastUsedAt.IsZero() {
				t.Fatalf("%s had no turn", id)
			}
		}
		return nil
	}))
	m.crash()
	m.open()
	for m.u.kept.keys > 0 {
		_, err := m.u.foldSome(t.Context())
		m.must(err)
	}
	for _, id := range m.ids {
		if got := m.read(id, windowAt(m.now)); got.Calls24h != steps+1 {
			t.Fatalf("%s was called %d times, want %d", id, got.Calls24h, steps+1)
		}
	}
}

// TestAJournalThatWasTakenOverIsNotWrittenAnew by who had it.
func TestAJournalThatWasTakenOverIsNotWrittenAnew(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it runs in one goroutine; the race detector would only make it slow")
	}
	m := newModel(t, 14, foldAtOnce)
	for _, id := range m.ids {
		m.u.record(id, 1, m.now, Origin{})
	}
	m.must(m.u.flush(t.Context()))
	first := m.u
	m.open()
	if err := first.rewrite(t.Context()); !errors.Is(err, store.ErrNotFound) || first.kept.keys != 0 || first.journal.owner != "" {
		t.Errorf("got %v, %d keys are kept as %q", err, first.kept.keys, first.journal.owner)
	}
	for _, id := range m.ids[:100] {
		if got := m.read(id, windowAt(m.now)); got.Calls24h != 1 {
			t.Fatalf("%s was called %d times", id, got.Calls24h)
		}
	}
}
