package core_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

var schedules = flag.Int("schedules", 80, "how many schedules of runs that rotate one key are tried (`make soak`: 10000)") //nolint:gochecknoglobals // flags of a test are

// ground is what storms pass over: a service that is restarted, on one database, in one bubble of time.
type ground struct {
	*fixture
	store store.Store // what the service is given
	order []string    // of a run's steps
	bo    core.Principal
	n     int
	most  int // runs at once that there were
}

func newGround(tb testing.TB, over func(store.Store) store.Store, order ...string) *ground {
	tb.Helper()
	f := newFixture(tb)
	_, bo, err := f.svc.Bootstrap(tb.Context(), core.Bootstrap{OrgSlug: "globex", OrgName: "Globex", UserName: "Bo"})
	f.must(err)
	g := &ground{fixture: f, store: over(f.fixtureStore()), order: order}
	_, g.bo = f.signIn(bo)
	f.must(f.fixtureStore().Update(tb.Context(), func(tx store.Tx) error {
		return tx.AddMembership(store.Membership{OrgID: f.org.ID, UserID: bo.ID, Role: string(api.RoleAdmin), CreatedAt: f.clock.now()})
	}))
	g.restart(false)
	tb.Cleanup(func() { _ = g.svc.Close(tb.Context()) }) // which has ended: nothing is written
	return g
}

func (f *fixture) fixtureStore() store.Store { return f.store }

// restart ends the service and begins another; killed: what it had not written is gone.
func (g *ground) restart(killed bool) {
	ctx, cancel := context.WithCancel(context.Background())
	if killed {
		cancel()
	}
	_ = g.svc.Close(ctx)
	cancel()
	var err error
	g.svc, err = core.New(core.Config{Store: g.store, Material: testMaterial(), Now: g.clock.now})
	g.must(err)
}

// storm is a key, its sinks, and runs at once that rotate it.
type storm struct {
	*ground
	key     core.Key
	places  []*place
	runs    []*run
	deleted bool

	mu    sync.Mutex // a sink or a sweeper may act beside a run when time passes
	wrong error
	// afterwards counts sinks that will take what they were given when nobody waits for them.
	afterwards int
	secrets    map[string]secret.Secret // by rotation
	of         map[string][]string      // rotations by run
	last       map[string]string        // the run that joined a rotation last
}

func newStorm(g *ground) *storm {
	g.n++
	k, sec := g.create(core.NewKey{Name: fmt.Sprint("key ", g.n)})
	s := &storm{ground: g, key: k, secrets: map[string]secret.Secret{}, of: map[string][]string{}, last: map[string]string{}}
	s.places = []*place{{name: "a", reads: true, holds: sec, receipt: true}, {name: "b", holds: sec, receipt: true}} // of an earlier rotation
	return s
}

func (s *storm) holds(p *place, sec secret.Secret) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.holds.Reveal() == sec.Reveal()
}

// write gives a sink a secret. A run may have slept while its rotation was taken back, or while a newer one was delivered: what it
// writes then is dead, or will be. The service can't see that, and the run is told by a receipt that is refused, or the other one
// by what it finds when it looks; until somebody writes there again nothing is asked of the sink.
func (s *storm) write(p *place, sec secret.Secret) {
	_, before, _ := s.svc.Lookup(context.Background(), s.owner, "acme", s.seen()[slices.Index(s.places, p)].holds.Reveal())
	_, after, err := s.svc.Lookup(context.Background(), s.owner, "acme", sec.Reveal())
	spoilt := err != nil || s.dead(sec) != nil || after.Version < before.Version
	s.mu.Lock()
	defer s.mu.Unlock()
	p.spoilt = spoilt
	p.receipt = p.receipt && p.holds.Reveal() == sec.Reveal()
	p.holds = sec
}

// told: the service has a receipt.
func (s *storm) told(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.receipt = true
}

// look wants refusals, no failures.
func (s *storm) look(err error) {
	var refusal *core.Error
	if err != nil && !errors.As(err, &refusal) {
		s.broken(fmt.Errorf("the service fails: %w", err))
	}
}

func (s *storm) broken(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong == nil {
		s.wrong = err
	}
}

func (s *storm) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrong
}

// seen is what the sinks are like now.
func (s *storm) seen() []place {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []place
	for _, p := range s.places {
		out = append(out, *p)
	}
	return out
}

// opened holds the service to one secret a rotation, and to one rotation a run.
func (s *storm) opened(r *run, out core.Opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := out.Rotation.ID
	if known, ok := s.secrets[id]; ok && !out.Secret.IsZero() && known.Reveal() != out.Secret.Reveal() && s.wrong == nil {
		s.wrong = fmt.Errorf("the rotation %s has two secrets", id)
	}
	if !out.Secret.IsZero() {
		s.secrets[id] = out.Secret
	}
	if r.name == "" {
		s.last[id] = r.name
		return
	}
	if of := s.of[r.by.User.ID+r.name]; !slices.Contains(of, id) {
		s.of[r.by.User.ID+r.name] = append(of, id)
	}
	s.last[id] = r.by.User.ID + r.name
}

// invariant: each sink with a receipt holds a secret that is valid; at most one rotation is open; no run has two.
func (s *storm) invariant() error {
	if err := s.fault(); err != nil || s.deleted {
		return err
	}
	for _, p := range s.seen() {
		if !p.receipt || p.spoilt {
			continue
		}
		if err := s.dead(p.holds); err != nil {
			return fmt.Errorf("the sink %s has a receipt and holds %w", p.name, err)
		}
	}
	return s.rotations()
}

// dead says why a secret opens nothing, whether or not its key is enabled; nil: it does.
func (s *storm) dead(sec secret.Secret) error {
	_, v, err := s.svc.Lookup(context.Background(), s.owner, "acme", sec.Reveal())
	switch {
	case err != nil:
		return fmt.Errorf("a secret that is none: %w", err)
	case v.State == api.SecretRetired || !v.ExpiresAt.IsZero() && !s.clock.now().Before(v.ExpiresAt):
		return fmt.Errorf("version %d, which opens nothing", v.Version)
	}
	return nil
}

// rotations: at most one is open, and no run has two.
func (s *storm) rotations() error {
	all, err := s.svc.Rotations(context.Background(), s.owner, "acme", s.key.ID)
	if err != nil {
		return err
	}
	state := map[string]api.RotationState{}
	open := 0
	for _, r := range all {
		state[r.ID] = r.State
		if r.PromotedAt.IsZero() && r.EndedAt.IsZero() {
			open++
		}
	}
	if open > 1 {
		return fmt.Errorf("%d rotations are open", open)
	}
	for name, ids := range s.of {
		for _, id := range ids[:len(ids)-1] { // one that another run took over is that run's
			if state[id] != api.RotationCancelled && s.last[id] == name {
				return fmt.Errorf("%q has the rotations %v, and the first is %s", name, ids, state[id])
			}
		}
	}
	return nil
}

// TestRotationStorm tries schedules of runs at once that die, sinks that fail, hang, lie and are late, services that are killed,
// keys that are disabled and deleted, permissions that are taken, and clocks that jump, and looks after every step.
func TestRotationStorm(t *testing.T) {
	t.Parallel()
	for shard := range 2 {
		t.Run(strconv.Itoa(shard), func(t *testing.T) {
			t.Parallel()
			begin, done, most := time.Now(), 0, 0
			for done < *schedules/2 {
				synctest.Test(t, func(t *testing.T) {
					g := newGround(t, func(st store.Store) store.Store { return st }, "deliver", "prove", "promote")
					rapid.Check(noDeadline{t}, func(t *rapid.T) {
						if done+g.n >= *schedules/2 { // rapid has its own number
							return
						}
						if err := newStorm(g).pass(t); err != nil {
							t.Fatal(err)
						}
					})
					done, most = done+g.n, max(most, g.most)
				})
				if t.Failed() {
					return
				}
			}
			if few := *schedules < 1000; most < 2 || most < 4 && !few {
				t.Errorf("at most %d runs at once", most)
			}
			t.Logf("%d schedules in %s", done, time.Since(begin).Round(time.Second))
		})
	}
}

// noDeadline hides that it is a *testing.T, whose deadline is none in a bubble.
type noDeadline struct{ *testing.T }
