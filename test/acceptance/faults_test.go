package acceptance

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

var kills = flag.Int("kills", 32, "how many rotations are killed, or their service is (`make soak`: 600)") //nolint:gochecknoglobals // a flag of the test

const requestsOfARotation = 6 // open, two receipts, self, prove, promote

// faulty is a rotation that is hit: the key, and where its secret goes.
type faulty struct {
	*victim
	n        int
	dir, key string
	old      string
	hit      atomic.Bool
}

// faults are what hits the command cmd, or its service, at a request.
func faults() map[string]func(f *faulty, cmd *exec.Cmd) func(forward func()) {
	return map[string]func(*faulty, *exec.Cmd) func(func()){
		"the command, before": func(_ *faulty, cmd *exec.Cmd) func(func()) { return func(func()) { _ = cmd.Process.Kill() } },
		"the command, after": func(_ *faulty, cmd *exec.Cmd) func(func()) {
			return func(forward func()) { forward(); _ = cmd.Process.Kill() }
		},
		"the job is cancelled": func(_ *faulty, cmd *exec.Cmd) func(func()) {
			return func(forward func()) {
				_ = cmd.Process.Signal(syscall.SIGINT)
				forward()
				_ = cmd.Process.Kill() // a runner waits some seconds; the command may have ended by then
			}
		},
		"the service, before": func(f *faulty, _ *exec.Cmd) func(func()) { return func(func()) { f.restart() } },
		"the service, after":  func(f *faulty, _ *exec.Cmd) func(func()) { return func(forward func()) { forward(); f.restart() } },
		"the service, meanwhile": func(f *faulty, _ *exec.Cmd) func(func()) {
			return func(forward func()) {
				var group sync.WaitGroup
				group.Go(forward)
				wait := time.NewTimer(time.Duration(rand.IntN(3000)) * time.Microsecond)
				<-wait.C
				f.restart()
				group.Wait()
			}
		},
		"the service is away": func(f *faulty, cmd *exec.Cmd) func(func()) { // and the command does not outlive it
			return func(forward func()) { forward(); _ = cmd.Process.Kill(); f.restart() }
		},
	}
}

// TestRotateKilled kills rotations, or the service, with -9 at every step, and runs them again: both sinks have the same secret,
// the one that a sink got before the fault; the key has one rotation; the database is whole.
func TestRotateKilled(t *testing.T) {
	t.Parallel()
	type point struct {
		fault string
		at    int
	}
	var points []point
	for fault := range faults() {
		for at := 1; at <= requestsOfARotation; at++ {
			points = append(points, point{fault, at})
		}
	}
	rand.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	const workers = 2
	var next, hits atomic.Int64
	begin := time.Now()
	t.Cleanup(func() { // when all have ended
		t.Logf("%d rotations hit, of %d, in %s", hits.Load(), *kills, time.Since(begin).Round(time.Second))
		if int(hits.Load()) < *kills {
			t.Errorf("only %d of %d were hit", hits.Load(), *kills)
		}
	})
	for worker := range workers {
		t.Run(strconv.Itoa(worker), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			for i := int(next.Add(1)); i <= *kills && !t.Failed(); i = int(next.Add(1)) {
				p := points[i%len(points)]
				f := newFaulty(v, i)
				f.rotate(p.fault, p.at)
				if f.hit.Load() {
					hits.Add(1)
				}
				if t.Failed() {
					t.Errorf("rotation %d: %s, at request %d", i, p.fault, p.at)
				}
			}
			v.sound()
		})
	}
}

func newFaulty(v *victim, n int) *faulty {
	v.Helper()
	f := &faulty{victim: v, n: n, dir: v.TempDir(), key: fmt.Sprint("key", n)}
	out, err := f.keyfob(1, "keys", "create", f.key, "-q").Output()
	if err != nil {
		v.Fatal(err)
	}
	f.old = strings.TrimSpace(string(out))
	return f
}

// keyfob is a command of the job's attempt. Every other one has no name but what it keeps on its machine.
func (f *faulty) keyfob(attempt int, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), program("keyfob"), args...)
	cmd.Dir = f.dir
	cmd.Env = []string{"HOME=" + f.dir, "PATH=" + os.Getenv("PATH"), "KEYFOB_URL=" + f.url, "KEYFOB_TOKEN=" + f.token, "KEYFOB_ORG=acme"}
	if f.n%2 == 0 {
		cmd.Env = append(cmd.Env, "GITHUB_RUN_ID="+strconv.Itoa(f.n), "GITHUB_RUN_ATTEMPT="+strconv.Itoa(attempt), "GITHUB_REPOSITORY=acme/app")
	}
	return cmd
}

func (f *faulty) command(attempt int) *exec.Cmd {
	return f.keyfob(attempt, "keys", "rotate", f.key, "-o", "json", "--grace", "1h",
		"--to", "dotenv:.env#API_KEY", "--to", "exec:sh -c 'cat > got'", "--check", "grep -q ^kf_")
}

func (f *faulty) rotate(fault string, at int) {
	f.Helper()
	cmd := f.command(1)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	hook := faults()[fault](f, cmd)
	f.arm(at, func(forward func()) { f.hit.Store(true); hook(forward) })
	code := f.within(cmd)
	f.busy.Wait() // the command may be gone before its service is back
	f.arm(0, nil)
	before, _ := os.ReadFile(filepath.Join(f.dir, "got"))
	f.get("/v1/self", f.old, http.StatusOK, nil)
	if strings.Contains(errOut.String(), "kf_") || strings.Contains(errOut.String(), "panic") {
		f.Errorf("stderr: %s", errOut.String())
	}

	if code == 0 && f.n%2 == 1 { // it went on when the service was back; without a name, to run it again is to rotate again
		f.one(string(before))
		return
	}
	again := f.command(2)
	errOut.Reset()
	again.Stderr = &errOut
	if code = f.within(again); code != 0 {
		f.Fatalf("run again it ends with %d: %s", code, errOut.String())
	}
	f.one(string(before))
}

// within runs a command, which must end by itself, and returns its exit code; -1: a signal ended it.
func (f *faulty) within(cmd *exec.Cmd) int {
	f.Helper()
	f.mu.Lock() // a hook comes after it
	err := cmd.Start()
	f.mu.Unlock()
	if err != nil {
		f.Fatal(err)
	}
	late := time.AfterFunc(2*deadline, func() { _ = cmd.Process.Signal(syscall.SIGABRT) })
	_ = cmd.Wait()
	if !late.Stop() {
		f.Fatal("it hangs")
	}
	return cmd.ProcessState.ExitCode()
}

// one wants one secret in both sinks, that which a sink got before, and one rotation.
func (f *faulty) one(before string) {
	f.Helper()
	got, err := os.ReadFile(filepath.Join(f.dir, "got"))
	if err != nil {
		f.Fatal(err)
	}
	env, err := os.ReadFile(filepath.Join(f.dir, ".env"))
	if err != nil || string(env) != "API_KEY="+string(got)+"\n" || before != "" && before != string(got) {
		f.Errorf("the sinks have %q and %q, before %q (%v)", got, env, before, err)
	}
	f.get("/v1/self", string(got), http.StatusOK, nil)
	f.get("/v1/self", f.old, http.StatusOK, nil)
	var list api.RotationList
	f.get("/v1/orgs/acme/keys/"+f.key+"/rotations", f.token, http.StatusOK, &list)
	if len(list.Rotations) != 1 || list.Rotations[0].State != api.RotationPromoted {
		f.Errorf("rotations %+v", list.Rotations)
	}
	var key api.KeyEnvelope
	f.get("/v1/orgs/acme/keys/"+f.key, f.token, http.StatusOK, &key)
	if len(key.Key.Secrets) != 2 {
		f.Errorf("secrets %+v", key.Key.Secrets)
	}
}

// TestRotateTogether runs the command of one job two to four times at once: all join one rotation. One that meets another at the
// same file says so and is run again.
func TestRotateTogether(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for n := 2; n <= 4; n++ {
		f := newFaulty(v, 1000+2*n) // even: the run has a name
		var group sync.WaitGroup
		for range n {
			group.Go(func() {
				var errOut bytes.Buffer
				for attempt := 1; attempt <= 5; attempt++ {
					cmd := f.command(attempt)
					errOut.Reset()
					cmd.Stderr = &errOut
					if cmd.Run() == nil {
						return
					}
				}
				t.Errorf("%d at once: one does not end: %s", n, errOut.String())
			})
		}
		group.Wait()
		f.one("")
	}
	v.sound()
}
