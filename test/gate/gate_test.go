// Package gate keeps the start of both binaries small: instructions, memory, size, system calls and what is linked.
// Times are too noisy to gate on; bench_test.go prints them.
package gate

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/keyfob/keyfob"

var update = flag.Bool("update", false, "write the measured figures to recorded.json") //nolint:gochecknoglobals // a test flag

// figures are what one command costs: instructions under callgrind, peak resident KiB, KiB of the stripped binary.
// Instructions and memory are medians of five runs.
type figures struct {
	Instructions int `json:"instructions"`
	RSS          int `json:"rss_kib"`
	Size         int `json:"size_kib"`
}

// TestStart measures the commands against their budget and against recorded.json + 15 %, and allows them no file, no
// process and no socket but the Go runtime's own.
func TestStart(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the figures are for linux/amd64")
	}
	need(t, "valgrind", "strace")
	dir := t.TempDir()
	build(t, dir, "cmd/keyfob", "cmd/keyfobd", "test/gate/rss")

	cli := figures{Instructions: 3_500_000, RSS: 12 << 10, Size: 16 << 10}
	service := figures{Instructions: 6_000_000, RSS: 20 << 10, Size: 32 << 10}
	tests := []struct {
		budget figures
		argv   []string
	}{
		{cli, []string{"keyfob", "--version"}},
		{cli, []string{"keyfob", "--help"}},
		{cli, []string{"keyfob", "__complete", ""}},
		{service, []string{"keyfobd", "--version"}},
	}
	recorded := readRecorded(t)
	var mu sync.Mutex
	measured := map[string]figures{}
	for _, tt := range tests {
		name := strings.TrimSpace(strings.Join(tt.argv, " "))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			argv := append([]string{filepath.Join(dir, tt.argv[0])}, tt.argv[1:]...)
			if calls := outsideCalls(t, argv); len(calls) > 0 {
				t.Fatalf("touches the system:\n%s", strings.Join(calls, "\n"))
			}
			got := figures{
				Instructions: median(t, func() int { return instructions(t, argv) }),
				RSS:          median(t, func() int { return peakRSS(t, filepath.Join(dir, "rss"), argv) }),
				Size:         size(t, argv[0]),
			}
			mu.Lock()
			measured[name] = got
			mu.Unlock()
			t.Logf("%d instructions, %d KiB resident, %d KiB on disk", got.Instructions, got.RSS, got.Size)
			within(t, "the budget", got, tt.budget, 100)
			if !*update {
				within(t, "recorded.json", got, recorded[name], 115)
			}
		})
	}
	t.Cleanup(func() { // after the subtests
		if *update && !t.Failed() {
			writeRecorded(t, measured)
		}
	})
}

// TestLinks holds what cmd/keyfob links to the layout: never the service's side.
func TestLinks(t *testing.T) {
	t.Parallel()
	forbidden := []string{
		module + "/internal/server", module + "/internal/core", module + "/internal/store", module + "/internal/daemon",
		"modernc.org/", "github.com/modelcontextprotocol/go-sdk",
	}
	out := output(t, "go", "list", "-deps", module+"/cmd/keyfob")
	for dep := range strings.Lines(out) {
		dep = strings.TrimSpace(dep)
		if slices.ContainsFunc(forbidden, func(f string) bool { return strings.HasPrefix(dep, f) }) {
			t.Errorf("cmd/keyfob links %s", dep)
		}
	}
}

func within(t *testing.T, of string, got, limit figures, percent int) {
	t.Helper()
	for _, f := range []struct {
		name       string
		got, limit int
	}{
		{"instructions", got.Instructions, limit.Instructions},
		{"KiB resident", got.RSS, limit.RSS},
		{"KiB on disk", got.Size, limit.Size},
	} {
		if allowed := f.limit * percent / 100; f.got > allowed {
			t.Errorf("%d %s: over %s, which allows %d", f.got, f.name, of, allowed)
		}
	}
}

// instructions counts what the program executes. The runtime's preemption signal makes callgrind 3.19 abort, and one
// processor makes the count depend less on the machine.
func instructions(t *testing.T, argv []string) int {
	t.Helper()
	log := filepath.Join(t.TempDir(), "valgrind.log")
	output(t, append([]string{
		"env", "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1",
		"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=" + log,
	}, argv...)...)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Collected : (\d+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("callgrind collected nothing:\n%s", text)
	}
	return number(t, string(found[1]))
}

func peakRSS(t *testing.T, rss string, argv []string) int {
	t.Helper()
	return number(t, strings.TrimSpace(output(t, append([]string{rss}, argv...)...)))
}

func size(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size() >> 10)
}

// outsideCalls returns the system calls that open a file, start a process or make a socket, but for the first execve
// and the files that the Go runtime reads at every start.
func outsideCalls(t *testing.T, argv []string) []string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace.log")
	output(t, append([]string{
		"strace", "-f", "-qq", "-e", "signal=none", "-o", log,
		"-e", "trace=open,openat,openat2,creat,mkdir,mkdirat,execve,execveat,fork,vfork,socket,connect,bind",
	}, argv...)...)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	// Only the line on which a call begins: strace also writes how one resumed, and "???(" for a thread that ended first.
	calls := regexp.MustCompile(`(?m)^\d+ +\w+\(.*$`).FindAllString(string(text), -1)
	if len(calls) == 0 || !strings.Contains(calls[0], "execve(") {
		t.Fatalf("strace saw no start:\n%s", text)
	}
	known := `/sys/kernel/mm/transparent_hugepage/|/sys/fs/cgroup/|/proc/self/`
	if filepath.Base(argv[0]) == "keyfobd" { // protobuf, which Prometheus's client links, hashes a few bytes of its own program
		known += "|" + regexp.QuoteMeta(argv[0]) + `"`
	}
	runtimes := regexp.MustCompile(`openat\(AT_FDCWD, "(` + known + ")")
	return slices.DeleteFunc(calls[1:], runtimes.MatchString)
}

func median(t *testing.T, measure func() int) int {
	t.Helper()
	runs := make([]int, 5)
	for i := range runs {
		runs[i] = measure()
	}
	slices.Sort(runs)
	return runs[len(runs)/2]
}

func readRecorded(t *testing.T) (recorded map[string]figures) {
	t.Helper()
	if *update {
		return nil
	}
	data, err := os.ReadFile("recorded.json")
	if err == nil {
		err = json.Unmarshal(data, &recorded)
	}
	if err != nil {
		t.Fatal(err)
	}
	return recorded
}

func writeRecorded(t *testing.T, measured map[string]figures) {
	t.Helper()
	data, err := json.MarshalIndent(measured, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("recorded.json", append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("recorded %v", slices.Sorted(maps.Keys(measured)))
}

// build builds programs of this module as a release does, into dir.
func build(tb testing.TB, dir string, paths ...string) {
	tb.Helper()
	argv := []string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", dir}
	for _, p := range paths {
		argv = append(argv, module+"/"+p)
	}
	cmd := exec.CommandContext(tb.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, out)
	}
}

// output runs a command with no environment but PATH and an empty HOME (the go command keeps ours).
func output(tb testing.TB, argv ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), argv[0], argv[1:]...)
	if argv[0] != "go" {
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + tb.TempDir()}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, stderr.String())
	}
	return string(out)
}

// need skips the test where a tool is missing; in CI it fails.
func need(tb testing.TB, tools ...string) {
	tb.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s is not installed", tool)
		}
		tb.Skipf("%s is not installed", tool)
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
