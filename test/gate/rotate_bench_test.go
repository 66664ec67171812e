package gate

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkRotate is a rotation with two file sinks and the service's proof, from fork to exit, against a service on loopback;
// median. Bound: 150 ms.
func BenchmarkRotate(b *testing.B) {
	k := newKeyfob(b)
	k.serve(b, b.TempDir())
	k.run(b, "keys", "create", "ci", "-q")
	dir := b.TempDir()
	one, two := "file:"+filepath.Join(dir, "one"), "file:"+filepath.Join(dir, "two")
	var took []time.Duration
	for b.Loop() {
		took = append(took, timed(func() { k.run(b, "keys", "rotate", "ci", "--to", one, "--to", two, "--grace", "0") }))
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "ms-median")
	b.ReportMetric(took[len(took)-1].Seconds()*1000, "ms-max")
}

// BenchmarkRotateAll rotates 500 keys, 16 at a time, a file each, against a service with SQLite on loopback. Bounds: 20 s, and 60 MiB
// resident for the command.
func BenchmarkRotateAll(b *testing.B) {
	const keys = 500
	k := newKeyfob(b)
	k.serve(b, b.TempDir())
	for i := range keys {
		k.run(b, "keys", "create", "key-"+strconv.Itoa(i), "--tag", "team=web", "-q")
	}
	tools, dir := b.TempDir(), b.TempDir()
	build(b, tools, "test/gate/rss")
	var took time.Duration
	most := 0
	for b.Loop() {
		took = max(took, timed(func() {
			out := k.output(b, filepath.Join(tools, "rss"), "keyfob", "keys", "rotate", "--all", "--tag", "team=web", "--to", "file:"+dir+"/{name}", "--grace", "0")
			kib, err := strconv.Atoi(strings.TrimSpace(string(out)))
			if err != nil {
				b.Fatal(err)
			}
			most = max(most, kib)
		}))
	}
	if made, err := os.ReadDir(dir); err != nil || len(made) != keys {
		b.Fatalf("%d files: %v", len(made), err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took.Seconds(), "s-max")
	b.ReportMetric(float64(most)/1024, "MiB-resident-max")
}
