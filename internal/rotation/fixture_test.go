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
	"slices"
	"strings"
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
	if got := f.states(); !slices.Equal(got, want) {
		f.Fatalf("rotations %v, want %v", got, want)
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

func (s *testSink) Name() string { return s.name }

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
