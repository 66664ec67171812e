package rotation_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/rotation"
	"github.com/keyfob/keyfob/internal/server"
	"github.com/keyfob/keyfob/internal/sink"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// fixture is a real service on loopback with a key "ci", behind a proxy that tests can break.
type fixture struct {
	*testing.T
	client *client.Client
	dir    string
	old    secret.Secret
	// onRequest is told of each request, before it goes on to the service and after.
	onRequest atomic.Pointer[func(n int, before bool)]
	requests  atomic.Int64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, dir: t.TempDir()}
	db, err := sqlite.Open(t.Context(), filepath.Join(f.dir, "keyfob.db"))
	f.must(err)
	t.Cleanup(func() { _ = db.Close() })
	svc, err := core.New(core.Config{Store: db, Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}}})
	f.must(err)
	t.Cleanup(func() { _ = svc.Close(context.WithoutCancel(t.Context())) })
	_, user, err := svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
	f.must(err)
	in, err := svc.StartSession(t.Context(), user.ID, api.SessionCLI, core.Client{Name: "keyfob"})
	f.must(err)
	web := httptest.NewServer(server.New(server.Config{
		Core: svc, PublicURL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, AllowedHosts: []string{"127.0.0.1"}, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(web.Close)
	target, err := url.Parse(web.URL)
	f.must(err)
	through := httputil.NewSingleHostReverseProxy(target)
	through.ErrorLog = log.New(io.Discard, "", 0) // requests that are given up are what it is for
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(f.requests.Add(1))
		hook := f.onRequest.Load()
		if hook != nil {
			(*hook)(n, true)
		}
		if r.Context().Err() != nil {
			return
		}
		through.ServeHTTP(w, r)
		if hook != nil {
			(*hook)(n, false)
		}
	}))
	t.Cleanup(proxy.Close)
	f.client, err = client.New(client.Config{URL: proxy.URL, Token: in.Token})
	f.must(err)
	_, f.old, err = f.client.CreateKey(t.Context(), "acme", api.CreateKeyRequest{Name: "ci"})
	f.must(err)
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) run(sinks ...sink.Sink) *rotation.Run {
	return &rotation.Run{
		Client: f.client, Org: "acme", Key: "ci", Sinks: sinks, Grace: time.Hour,
		Minted: func(secret.Secret) {}, Note: f.Logf,
	}
}

func (f *fixture) sink(spec string) sink.Sink {
	f.Helper()
	s, err := sink.Parse(strings.ReplaceAll(spec, "DIR", f.dir), sink.System{Environ: os.Environ})
	f.must(err)
	return s
}

func (f *fixture) program(command string) *sink.Program {
	f.Helper()
	p, err := sink.ParseProgram(strings.ReplaceAll(command, "DIR", f.dir), sink.System{Environ: os.Environ})
	f.must(err)
	return p
}

func (f *fixture) opens(s secret.Secret, want bool) {
	f.Helper()
	_, err := f.client.Self(f.Context(), s)
	if (err == nil) != want {
		f.Fatalf("the secret %s opens the service: %v", s.Hint(), err)
	}
}

func (f *fixture) content(name string) string {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	f.must(err)
	return strings.TrimSpace(string(text))
}

func (f *fixture) states() []api.RotationState {
	f.Helper()
	list, err := f.client.Rotations(f.Context(), "acme", "ci")
	f.must(err)
	var out []api.RotationState
	for _, r := range list {
		out = append(out, r.State)
	}
	return out
}

func (f *fixture) wantStates(want ...api.RotationState) {
	f.Helper()
	got := f.states()
	for i := range max(len(got), len(want)) {
		if len(got) != len(want) || got[i] != want[i] {
			f.Fatalf("rotations %v, want %v", got, want)
		}
	}
}

// failed wants a StepError of the step.
func (f *fixture) failed(err error, step, text string) {
	f.Helper()
	var failure *rotation.StepError
	if !errors.As(err, &failure) || failure.Step != step || !strings.Contains(err.Error(), text) {
		f.Fatalf("got %v, want %s to fail with %q", err, step, text)
	}
}

// testSink is a sink that fails as it is told.
type testSink struct {
	name string
	fail error
	puts int
	held string
}

func (s *testSink) Name() string                { return s.name }
func (s *testSink) Ready(context.Context) error { return nil }
func (s *testSink) Put(_ context.Context, sec secret.Secret) error {
	s.puts++
	if s.fail != nil {
		return s.fail
	}
	s.held = sec.Reveal()
	return nil
}

// liar holds something else than what it was given.
type liar struct{ testSink }

func (l *liar) Get(context.Context) (string, error) { return "another", nil }

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
