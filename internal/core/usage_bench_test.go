package core

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkUse is what tracking costs a check: 300 000 checks between two flushes, of keys chosen uniformly, with the share of
// folding that goes with them.
func BenchmarkUse(b *testing.B) {
	const keys, checks = 300_000, 300_000
	for name, hot := range map[string]int{"uniform": keys, "hot": 100} {
		b.Run(name, func(b *testing.B) {
			m := newModel(b, 1, keys)
			from := Origin{AddressPrefix: "192.0.2.0/24", Agent: "bench/1"}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var record, flush, fold time.Duration
			folded, bytes, entries := 0, 0, 0
			for b.Loop() {
				start := cpu(b)
				for i := range checks {
					m.u.record(m.ids[m.rand.IntN(hot)], 1, m.now.Add(time.Duration(i)*17*time.Microsecond), from)
				}
				recorded := cpu(b)
				m.must(m.u.flush(b.Context()))
				flushed := cpu(b)
				m.now = m.now.Add(5 * time.Second)
				for range m.u.kept.keys / foldRounds / flushBatch {
					n, err := m.u.foldSome(b.Context())
					m.must(err)
					folded += n
				}
				end := cpu(b)
				record, flush, fold = record+recorded-start, flush+flushed-recorded, fold+end-flushed
				bytes, entries = bytes+len(m.u.w.data), entries+m.u.w.keys
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			perCheck := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / checks / float64(b.N) }
			b.ReportMetric(perCheck(record), "µs-record/check")
			b.ReportMetric(perCheck(flush), "µs-flush/check")
			b.ReportMetric(perCheck(fold), "µs-fold/check")
			b.ReportMetric(perCheck(record+flush+fold), "µs/check")
			b.ReportMetric(float64(fold.Microseconds())/float64(max(1, folded)), "µs-fold/key")
			b.ReportMetric(float64(bytes)/float64(max(1, entries)), "B/entry")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(max(1, m.u.kept.keys)), "B-heap/key")
		})
	}
}

// BenchmarkUseTakenOver is what a start costs after a crash: a million keys in use, 135 000 of them between two flushes, and the journal
// as long as it gets; and what it costs to keep it from getting longer.
func BenchmarkUseTakenOver(b *testing.B) {
	const keys, used = 1_000_000, 135_000
	for b.Loop() {
		m := newModel(b, 1, 1)
		m.ids = make([]string, keys)
		for i := range m.ids {
			id, err := newID(keyPrefix)
			m.must(err)
			m.ids[i] = id
		}
		pile := func() { // until it is as long as it gets
			for !m.u.tooLong() {
				for range used {
					m.u.record(m.ids[m.rand.IntN(keys)], 1, m.now, Origin{AddressPrefix: "192.0.2.0/24", Agent: "bench/1"})
				}
				m.now = m.now.Add(flushEvery)
				m.must(m.u.flush(b.Context()))
			}
		}
		took := func(what string, work func(*useModel)) {
			start, spent := time.Now(), cpu(b)
			work(m)
			b.ReportMetric((cpu(b) - spent).Seconds(), "s-CPU-"+what)
			b.ReportMetric(time.Since(start).Seconds(), "s-"+what)
		}
		pile()
		m.must(m.u.shorten(b.Context()))
		pile() // with all keys in it
		b.ReportMetric(float64(m.u.journal.rows()), "rows")
		took("taken-over", (*useModel).open)
		b.ReportMetric(float64(m.u.kept.keys), "keys")
		pile()
		took("shortened", func(m *useModel) { m.must(m.u.shorten(b.Context())) })
		m.crash()
	}
}

// BenchmarkUseTold is what a list by last use costs an org whose keys are in the journal: the first time, and again with nothing new.
func BenchmarkUseTold(b *testing.B) {
	const keys = 200_000
	for b.Loop() {
		m := newModel(b, 1, keys)
		for _, id := range m.ids {
			m.u.record(id, 1, m.now, Origin{AddressPrefix: "192.0.2.0/24", Agent: "bench/1"})
		}
		m.must(m.u.flush(b.Context()))
		for _, what := range []string{"first", "again"} {
			start, spent := time.Now(), cpu(b)
			m.must(m.u.tell(b.Context(), "org_1"))
			b.ReportMetric(float64((cpu(b)-spent).Microseconds())/keys, "µs-CPU/key-"+what)
			b.ReportMetric(time.Since(start).Seconds(), "s-"+what)
		}
		m.crash()
	}
}
