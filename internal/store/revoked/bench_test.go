package revoked

import (
	"os"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// BenchmarkAppend is what a revocation costs more: a lock, a line and a sync.
func BenchmarkAppend(b *testing.B) {
	l, err := Open(b.Context(), b.TempDir()+"/revocations.log", time.Now)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := l.Append(b.Context(), session("ses_0000000000000000000000")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is what a line costs who restores, and how long it is: that of a key that is disabled.
func BenchmarkRead(b *testing.B) {
	const lines = 100_000
	path := b.TempDir() + "/revocations.log"
	l, err := Open(b.Context(), path, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	list := make([]store.Revocation, lines)
	for i := range list {
		list[i] = store.Revocation{What: store.RevokedKey, OrgID: "org_00000000000000000000000000", KeyID: "key_00000000000000000000000000", Disabled: true}
	}
	if _, err := l.Append(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Read(path); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Size())/lines, "B/line")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/lines, "µs/line")
}
