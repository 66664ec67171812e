package revoked

import (
	"testing"
	"time"
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
