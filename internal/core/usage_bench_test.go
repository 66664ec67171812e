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
