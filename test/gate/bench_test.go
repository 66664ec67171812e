package gate

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkVersion is the time from fork to exit.
func BenchmarkVersion(b *testing.B) {
	k := newKeyfob(b)
	for b.Loop() {
		k.run(b, "--version")
	}
}

// BenchmarkQuickstartOnce is the main job, on an empty data directory and on one that an earlier run made. Bound: 1 s on
// a quiet machine.
func BenchmarkQuickstartOnce(b *testing.B) {
	b.Run("first", func(b *testing.B) {
		k := newKeyfob(b)
		for b.Loop() {
			k.run(b, "quickstart", "--once", "-o", "json", "--data-dir", b.TempDir())
		}
	})
	b.Run("again", func(b *testing.B) {
		k := newKeyfob(b)
		data := b.TempDir()
		k.run(b, "quickstart", "--once", "-o", "json", "--data-dir", data)
		for b.Loop() {
			k.run(b, "quickstart", "--once", "-o", "json", "--data-dir", data)
		}
	})
}

// BenchmarkKeysList compares `keyfob keys list` with curl on the same URL, turn by turn; medians. Bound: 2 times curl.
func BenchmarkKeysList(b *testing.B) {
	need(b, "curl")
	k := newKeyfob(b)
	data := b.TempDir()
	started := k.serve(b, data)
	header := filepath.Join(b.TempDir(), "header")
	if err := os.WriteFile(header, []byte("Authorization: Bearer "+k.session(b, data, started)+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	url := started.Service.URL + "/v1/orgs/" + started.Org.Slug + "/keys"

	var ours, curls []time.Duration
	for b.Loop() {
		ours = append(ours, timed(func() { k.run(b, "keys", "list") }))
		curls = append(curls, timed(func() { k.output(b, "curl", "-sSf", "-H", "@"+header, url) }))
	}
	slices.Sort(ours)
	slices.Sort(curls)
	our, curl := ours[len(ours)/2], curls[len(curls)/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(our.Seconds()*1000, "ms-keys-list")
	b.ReportMetric(curl.Seconds()*1000, "ms-curl")
	b.ReportMetric(our.Seconds()/curl.Seconds(), "times-curl")
}

// keyfob is both programs, built as for a release, in an environment of their own.
type keyfob struct {
	dir string // of the programs
	env []string
}

func newKeyfob(b *testing.B) keyfob {
	b.Helper()
	dir := b.TempDir()
	build(b, dir, "cmd/keyfob", "cmd/keyfobd")
	return keyfob{dir: dir, env: []string{"HOME=" + b.TempDir(), "PATH=" + dir + ":/usr/bin:/bin"}}
}

func (k keyfob) run(b *testing.B, args ...string) {
	b.Helper()
	k.output(b, append([]string{"keyfob"}, args...)...)
}

func (k keyfob) output(b *testing.B, argv ...string) []byte {
	b.Helper()
	out, err := k.command(b.Context(), argv...).Output()
	if err != nil {
		b.Fatalf("%s: %v", argv[0], err)
	}
	return out
}

func (k keyfob) command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/usr/bin/env", argv...) // env looks in our PATH
	cmd.Env = k.env
	return cmd
}

type started struct {
	Service struct {
		URL string `json:"url"`
	} `json:"service"`
	Org struct {
		Slug string `json:"slug"`
	} `json:"org"`
}

// serve runs quickstart until the benchmark ends.
func (k keyfob) serve(b *testing.B, data string) (s started) {
	b.Helper()
	k.background(b, &s, "keyfob", "quickstart", "-o", "json", "--data-dir", data)
	return s
}

// session returns a session of another user of the organisation.
func (k keyfob) session(b *testing.B, data string, s started) string {
	b.Helper()
	var made struct {
		Session string `json:"session"`
	}
	decode(b, k.output(b, "keyfobd", "bootstrap", "-o", "json", "--data-dir", data, "--org", s.Org.Slug, "--user", "bench"), &made)
	return made.Session
}

// background runs a command until the benchmark ends, and reads the object that it prints first.
func (k keyfob) background(b *testing.B, into any, argv ...string) {
	b.Helper()
	ctx, interrupt := context.WithTimeout(context.WithoutCancel(b.Context()), 5*time.Minute)
	cmd := k.command(ctx, argv...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		interrupt()
		_ = cmd.Wait()
	})
	if err := json.NewDecoder(stdout).Decode(into); err != nil {
		b.Fatal(err)
	}
}

func decode(b *testing.B, data []byte, into any) {
	b.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		b.Fatal(err)
	}
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
