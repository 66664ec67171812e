package rotation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/rotation"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var minted []string
	run := f.run(f.sink("file:DIR/one"), f.sink("dotenv:DIR/.env#KEY"), f.sink("exec:tee DIR/two"))
	run.Check = f.program("sh -c 'grep -q ^kf_'")
	run.Minted = func(s secret.Secret) { minted = append(minted, s.Reveal()) }
	out, err := run.Do(t.Context())
	f.must(err)
	for _, got := range []string{f.content("one"), strings.TrimPrefix(f.content(".env"), "KEY="), f.content("two"), minted[0]} {
		if got != out.Secret.Reveal() {
			t.Errorf("a sink has %q", got)
		}
	}
	sinks := out.Rotation.Sinks
	if len(sinks) != 3 || !sinks[0].Checked || !sinks[1].Checked || sinks[2].Checked || len(minted) != 1 {
		t.Errorf("sinks %+v", sinks)
	}
	f.wantStates(api.RotationPromoted)
	f.opens(f.old, true)
	f.opens(out.Secret, true)
	run.Grace = 0
	again, err := run.Do(t.Context())
	f.must(err)
	if again.Secret.Reveal() == out.Secret.Reveal() || again.Rotation.State != api.RotationRetired {
		t.Errorf("a run without a name does not rotate again: %+v", again.Rotation)
	}
	f.opens(out.Secret, false)
	f.opens(f.old, true) // its own grace is not over
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	f := newFixture(t)
	first, second, third := &testSink{name: "first"}, &testSink{name: "second", fail: boom}, &testSink{name: "third"}
	_, err := f.run(first, f.sink("file:DIR/none/x")).Do(t.Context())
	f.failed(err, "check", "folder does not exist")
	f.wantStates() // nothing was minted

	_, err = f.run(first, second, third).Do(t.Context())
	f.failed(err, "deliver", "boom")
	if first.puts != 1 || second.puts != 1 || third.puts != 0 {
		t.Errorf("put %d, %d, %d times", first.puts, second.puts, third.puts)
	}
	f.wantStates(api.RotationMinted)
	f.opens(f.old, true)

	second.fail = nil
	run := f.run(first, second, third)
	run.Check = f.program("sh -c 'echo no >&2; exit 1'")
	_, err = run.Do(t.Context())
	f.failed(err, "prove", "exit status 1: no")
	f.wantStates(api.RotationDelivered)
	if first.puts != 1 || second.puts != 2 || third.puts != 1 || first.held != second.held || second.held != third.held {
		t.Errorf("put %d, %d, %d times, %q", first.puts, second.puts, third.puts, []string{first.held, second.held, third.held})
	}
	_, err = f.run(first, second, third, &liar{testSink{name: "liar"}}).Do(t.Context())
	f.failed(err, "deliver", "holds something else")
	f.opens(f.old, true)

	run.Check = nil // the liar is named no more
	out, err := run.Do(t.Context())
	f.must(err)
	if first.puts != 1 || out.Secret.Reveal() != first.held || len(out.Rotation.Sinks) != 3 {
		t.Errorf("put %d times; sinks %+v", first.puts, out.Rotation.Sinks)
	}
	f.wantStates(api.RotationPromoted)
}

// TestSinkIsOverwritten: another writes to a sink when the run has looked at it, and is seen before the old secret is given up.
func TestSinkIsOverwritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	run := f.run(f.sink("file:DIR/one"), &testSink{name: "other"})
	run.Check = f.program("sh -c 'echo another > DIR/one'")
	_, err := run.Do(t.Context())
	f.failed(err, "promote", "holds something else")
	f.wantStates(api.RotationProven)
	f.opens(f.old, true)
	run.Check = nil
	out, err := run.Do(t.Context())
	f.must(err)
	if f.content("one") != out.Secret.Reveal() {
		t.Error("it was not put right")
	}
	f.wantStates(api.RotationPromoted)
}

// TestRunDies gives a run up before and after each of its requests, and runs it again.
func TestRunDies(t *testing.T) {
	t.Parallel()
	points := 0
	for n := 1; ; n++ {
		completed := false
		for _, before := range []bool{true, false} {
			f := newFixture(t)
			ctx, cancel := context.WithCancel(t.Context())
			start := int(f.requests.Load())
			hook := func(k int, b bool) {
				if k-start == n && b == before {
					cancel()
				}
			}
			f.onRequest.Store(&hook)
			run := f.run(f.sink("file:DIR/one"), f.sink("dotenv:DIR/.env#KEY"))
			run.Name = "run 1"
			_, err := run.Do(ctx)
			f.onRequest.Store(nil)
			completed = err == nil && ctx.Err() == nil
			cancel()
			if completed {
				break
			}
			points++
			f.opens(f.old, true)
			again := f.run(run.Sinks...)
			again.Name = "run 1"
			out, err := again.Do(t.Context())
			f.must(err)
			if f.content("one") != out.Secret.Reveal() || f.content(".env") != "KEY="+out.Secret.Reveal() {
				t.Fatalf("request %d: the sinks differ", n)
			}
			f.wantStates(api.RotationPromoted)
			f.opens(f.old, true)
			f.opens(out.Secret, true)
		}
		if completed {
			break
		}
	}
	if points < 10 {
		t.Errorf("the run died at %d points only", points)
	}
}

func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var group sync.WaitGroup
	secrets := make([]string, 4)
	for i := range secrets {
		group.Go(func() {
			run := f.run(f.sink("file:DIR/one"), &testSink{name: "other"})
			run.Name = "run 1"
			for range 3 { // another may have changed the file in the same moment: that is told, and done again
				out, err := run.Do(f.Context())
				if err == nil {
					secrets[i] = out.Secret.Reveal()
					return
				}
				t.Log(err)
			}
		})
	}
	group.Wait()
	for _, s := range secrets {
		if s == "" || s != secrets[0] {
			t.Fatalf("not one secret in %d runs", len(secrets))
		}
	}
	f.wantStates(api.RotationPromoted)
}

func TestFinishedRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	file, other := f.sink("file:DIR/one"), &testSink{name: "other"}
	run := f.run(file, other)
	run.Name = "run 1"
	out, err := run.Do(t.Context())
	f.must(err)
	f.must(os.Remove(filepath.Join(f.dir, "one"))) // the machine of the second attempt is a new one
	again, err := run.Do(t.Context())
	f.must(err)
	if f.content("one") != out.Secret.Reveal() || other.puts != 1 || again.Rotation.ID != out.Rotation.ID {
		t.Errorf("the finished run was not put right: %d puts", other.puts)
	}
	next := f.run()
	_, err = next.Do(t.Context())
	f.must(err)
	_, err = run.Do(t.Context())
	if !errors.Is(err, rotation.ErrSuperseded) {
		t.Errorf("got %v", err)
	}
}

// TestFinishedRunBesideAnother holds that a job which is run again leaves what another job has delivered meanwhile.
func TestFinishedRunBesideAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	run := f.run(f.sink("file:DIR/one"))
	run.Name = "run 1"
	_, err := run.Do(t.Context())
	f.must(err)
	next := f.run(f.sink("file:DIR/one"))
	next.Name, next.Check = "run 2", f.program("false") // it stops before it is promoted
	out, err := next.Do(t.Context())
	f.failed(err, "prove", "")
	_, err = run.Do(t.Context())
	f.must(err)
	if f.content("one") != out.Secret.Reveal() {
		t.Error("what the open rotation delivered was overwritten")
	}
	next.Check = nil
	_, err = next.Do(t.Context())
	f.must(err)
	f.opens(out.Secret, true)
}

func TestEmergency(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bad := &testSink{name: "bad", fail: errors.New("boom")}
	run := f.run(bad)
	run.Emergency = true
	_, err := run.Do(t.Context())
	f.failed(err, "deliver", "boom")
	var step *rotation.StepError
	if errors.As(err, &step) && !step.Cut {
		t.Error("it does not say that the old secret is gone")
	}
	f.opens(f.old, false)
	bad.fail = nil
	out, err := run.Do(t.Context())
	f.must(err)
	if out.Rotation.State != api.RotationRetired || bad.held != out.Secret.Reveal() {
		t.Errorf("%+v", out.Rotation)
	}
	f.opens(out.Secret, true)
}

func TestJournal(t *testing.T) {
	t.Parallel()
	now := time.Now()
	j := rotation.Journal{Dir: filepath.Join(t.TempDir(), "rotations"), Now: func() time.Time { return now }}
	first, _ := j.Begin("a", "b")
	again, done := j.Begin("a", "b")
	other, _ := j.Begin("ab")
	if first == "" || again != first || other == first {
		t.Errorf("%q, again %q, another %q", first, again, other)
	}
	done()
	second, _ := j.Begin("a", "b")
	if second == first {
		t.Error("what is done has the same name again")
	}
	now = now.Add(time.Hour + time.Minute)
	if late, _ := j.Begin("a", "b"); late == second {
		t.Error("the name is kept for ever")
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	name, done := rotation.Journal{Dir: blocked, Now: time.Now}.Begin("a")
	done()
	if name != "" {
		t.Errorf("a name that is kept nowhere: %q", name)
	}
}
