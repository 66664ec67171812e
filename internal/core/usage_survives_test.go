package core

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// TestUseSurvives: whatever is recorded, flushed, folded, rewritten, crashed, taken over and pruned in whatever order, what was flushed is counted
// once.
func TestUseSurvives(t *testing.T) {
	t.Parallel()
	rounds, keys := 40, 6_000
	if testing.Short() || raced {
		rounds = 15
	}
	for seed := range uint64(2) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed, keys)
			var other *usage
			for range rounds {
				switch m.rand.IntN(10) {
				case 0, 1:
					m.record(m.rand.IntN(8000))
				case 2:
					m.record(m.rand.IntN(500))
				case 3, 4:
					m.record(m.rand.IntN(8000))
					m.must(m.u.flush(m.Context()))
					m.flushed()
				case 5, 6:
					for range m.rand.IntN(20) {
						if m.u.journal.owner != "" {
							_, err := m.u.foldSome(m.Context())
							m.must(err)
						}
					}
				case 7:
					m.crash()
					m.open()
				case 8:
					other = m.u
					m.must(m.u.flush(m.Context())) // what the other has, this one takes over
					m.flushed()
					m.open()
					other.record(m.ids[0], 1, m.now, Origin{})
					m.must(m.u.prune(m.Context()))
				case 9:
					if m.u.journal.owner != "" {
						m.must(m.u.rewrite(m.Context()))
					}
				}
				m.compare(50)
				m.journalled()
			}
			m.listed()
			for m.u.kept.keys > 0 {
				_, err := m.u.foldSome(m.Context())
				m.must(err)
			}
			m.compare(500)
			m.must(m.st.View(t.Context(), func(tx store.Tx) error {
				if m.u.journal.owner == "" {
					return nil
				}
				left, err := tx.UseJournal(m.u.journal.owner, 0, 10)
				if len(left) > 0 {
					t.Errorf("%d rows of the journal are left", len(left))
				}
				return err
			}))
		})
	}
}

// TestUseTakenOver: a process whose journal another took over counts on, and nothing twice.
func TestUseTakenOver(t *testing.T) {
	t.Parallel()
	m := newModel(t, 7, 3_000)
	for _, id := range m.ids {
		m.u.record(id, 1, m.now, Origin{})
	}
	first := m.u
	m.must(first.flush(t.Context()))
	m.open()
	for _, id := range m.ids {
		first.record(id, 1, m.now, Origin{})
	}
	for first.flush(t.Context()) != nil || first.journal.owner == "" {
		if first.kept.keys > 0 {
			t.Fatal("what was taken over is kept")
		}
	}
	m.must(m.u.adopt(t.Context()))
	m.calledTwice()
}

// TestUseBesideBriefWork: a command that opens the store for a moment leaves the journal to the process that serves.
func TestUseBesideBriefWork(t *testing.T) {
	t.Parallel()
	m := newModel(t, 8, 3_000)
	for _, id := range m.ids {
		m.u.record(id, 1, m.now, Origin{})
	}
	m.must(m.u.flush(t.Context()))
	brief, err := newUsage(m.st, slog.New(slog.DiscardHandler), func() time.Time { return m.now }, true, false, nil)
	m.must(err)
	m.must(brief.close(t.Context()))
	if m.u.kept.keys != len(m.ids) {
		t.Fatalf("the journal holds %d keys", m.u.kept.keys)
	}
	for _, id := range m.ids {
		m.u.record(id, 1, m.now, Origin{})
	}
	m.must(m.u.flush(t.Context()))
	m.calledTwice()
}

// calledTwice folds all that is kept, and wants two calls of each of the first keys.
func (m *useModel) calledTwice() {
	m.Helper()
	for m.u.kept.keys > 0 {
		_, err := m.u.foldSome(m.Context())
		m.must(err)
	}
	for _, id := range m.ids[:100] {
		if got := m.read(id, windowAt(m.now)); got.Calls24h != 2 {
			m.Fatalf("%s was called %d times, want 2", id, got.Calls24h)
		}
	}
}
