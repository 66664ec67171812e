package completion

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	manyKeys = 10_000
	never    = 1 << 30
	// budget is the instructions that a Tab over manyKeys may take with a warm cache.
	budget = 8_000_000
)

// presses are words that match all keys, some, one and none, and ids.
func presses() [][]string {
	return [][]string{
		{"keys", "disable", ""},
		{"keys", "enable", ""},
		{"keys", "disable", "k-0424"},
		{"keys", "disable", "k-00001", "k-00002", "k-0000"},
		{"keys", "delete", "nope"},
		{"keys", "show", "key_"},
		{"keys", "show", "key_0000000000000007919"},
	}
}

// TestBudget counts the instructions of a Tab over 10 000 keys.
func TestBudget(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the budget is for linux/amd64")
	}
	need(t, "valgrind")
	w := pagedService(t, manyKeys, never)
	w.warm(t)
	for _, args := range presses() {
		if got := w.instructions(t, args); got > budget {
			t.Errorf("%q took %d instructions, more than %d", args, got, budget)
		} else {
			t.Logf("%q: %d instructions", args, got)
		}
	}
}

// warm presses Tab until the answer is a whole one: under the race detector 10 000 keys take longer than a second.
func (w world) warm(tb testing.TB) {
	tb.Helper()
	dir := filepath.Join(w.home, ".cache", "keyfob", "complete")
	for range 20 {
		w.tab(tb, "keys", "disable", "")
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 {
			tb.Fatalf("%d files in the cache, %v", len(files), err)
		}
		path := filepath.Join(dir, files[0].Name())
		doc, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		if header, _, _ := strings.Cut(string(doc), "\n"); strings.Contains(header, " whole ") {
			return
		}
		if err := os.Remove(path); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Fatal("the cache was never whole")
}

// instructions is as in test/gate.
func (w world) instructions(t *testing.T, args []string) int {
	t.Helper()
	log := filepath.Join(t.TempDir(), "valgrind.log")
	argv := append([]string{
		"--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=" + log,
		filepath.Join(bin(t), "keyfob"), "__complete",
	}, args...)
	cmd := exec.CommandContext(t.Context(), "valgrind", argv...)
	cmd.Env = append(slices.Clone(w.env), "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Collected : (\d+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("callgrind collected nothing:\n%s", text)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// BenchmarkTab is a Tab over 10 000 keys from fork to exit, with a warm cache. Bound: 20 ms on a quiet machine.
func BenchmarkTab(b *testing.B) {
	w := pagedService(b, manyKeys, never)
	for _, args := range presses() {
		b.Run(fmt.Sprint(args), func(b *testing.B) {
			w.warm(b)
			for b.Loop() {
				w.tab(b, args...)
			}
		})
	}
}

// TestHung holds what a service or a keyring that never answers costs: a second once, and then nothing.
func TestHung(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]world{"service": hungService(t), "keyring": hungKeyring(t)} {
		first := timed(func() { expectNothing(t, w.tab(t, "keys", "disable", "")) })
		second := time.Hour
		for range 3 { // the best of them: the others are the machine's
			second = min(second, timed(func() { expectNothing(t, w.tab(t, "keys", "show", "x")) }))
		}
		t.Logf("%s: %s, then %s", name, first, second)
		if first < time.Second || first > 1500*time.Millisecond || second > 300*time.Millisecond {
			t.Errorf("%s: %s, then %s", name, first, second)
		}
	}
}

// TestHungPage holds that what came before the deadline is offered, for a short while.
func TestHungPage(t *testing.T) {
	t.Parallel()
	w := pagedService(t, 3000, 1000)
	took := timed(func() {
		if got := w.tab(t, "keys", "disable", "k-0099"); len(got) != 6 {
			t.Errorf("offered %q", got)
		}
	})
	if took > 1500*time.Millisecond {
		t.Errorf("took %s", took)
	}
	if took := timed(func() { w.tab(t, "keys", "disable", "") }); took > 300*time.Millisecond {
		t.Errorf("then took %s", took)
	}
}

// TestNotSignedIn holds that Tab says nothing where there is nothing, and writes nothing.
func TestNotSignedIn(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	w := world{home: home, env: []string{"HOME=" + home}}
	expectNothing(t, w.tab(t, "keys", "disable", ""))
	expectNothing(t, w.tab(t, "keys", "show", "x"))
	if files, err := os.ReadDir(home); err != nil || len(files) > 0 {
		t.Errorf("left %v, %v", files, err)
	}
}

func expectNothing(t *testing.T, offered []string) {
	t.Helper()
	if len(offered) > 0 {
		t.Errorf("offered %q", offered)
	}
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
