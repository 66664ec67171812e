package core_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// world is a key, the sinks that its secret is delivered to, and those that deliver it. A run may die between any two requests,
// and between writing to a sink and saying so; the clock goes on, and jumps.
type world struct {
	*fixture
	key    core.Key // as it was made
	before secret.Secret
	holds  map[string]secret.Secret // by sink
	acked  map[string]bool          // sinks that the service was told of
	run    int
	id     string // of the rotation that the present run goes on with
	sec    secret.Secret
	all    map[string]bool // rotations
}

func newWorld(f *fixture, n int) *world {
	k, sec := f.create(core.NewKey{Name: fmt.Sprint("key ", n), Tags: map[string]string{"n": strconv.Itoa(n)}})
	w := &world{fixture: f, key: k, before: sec, holds: map[string]secret.Secret{}, acked: map[string]bool{}, all: map[string]bool{}}
	for _, sink := range []string{"a", "b"} { // they have the key's first secret
		w.holds[sink], w.acked[sink] = sec, true
	}
	return w
}

// refusedOr lets a refusal of the rotation's state be: the model asks for steps in any order.
func (w *world) refusedOr(err error) bool {
	w.Helper()
	for _, code := range []api.Code{api.CodeRotationState, api.CodeRotationUsed, api.CodeRotationOpen} {
		if isRefusal(err, code) {
			return false
		}
	}
	w.must(err)
	return true
}

// begin is a new process: it knows nothing but its arguments.
func (w *world) begin(t *rapid.T) {
	w.run++
	in := core.NewRotation{Sinks: []string{"a", "b"}}
	if rapid.Bool().Draw(t, "named") {
		in.Run = fmt.Sprint("run ", w.run-rapid.IntRange(0, 2).Draw(t, "again"))
	}
	w.id, w.sec = "", secret.Secret{}
	out, err := w.svc.OpenRotation(w.Context(), w.owner, "acme", w.key.ID, in, fromHere())
	if !w.refusedOr(err) {
		return
	}
	w.id, w.all[out.Rotation.ID] = out.Rotation.ID, true
	w.sec = out.Secret
}

// deliver writes to a sink what it does not hold yet; then the process may die before it says so.
func (w *world) deliver(t *rapid.T) {
	if w.sec.IsZero() {
		t.Skip("no secret in hand")
	}
	if !w.valid(w.sec) {
		t.Skip("a process that slept over the end of its rotation; the CLI proves before it promotes")
	}
	sink := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "sink")
	w.holds[sink], w.acked[sink] = w.sec, false // written, and not told yet
	if rapid.Bool().Draw(t, "dies") {
		w.id, w.sec = "", secret.Secret{}
		return
	}
	_, _, err := w.svc.DeliverRotation(w.Context(), w.owner, "acme", w.key.ID, w.id, sink, true, fromHere())
	if w.refusedOr(err) {
		w.acked[sink] = true
	}
}

func (w *world) step(do func() error) func(*rapid.T) {
	return func(t *rapid.T) {
		if w.id == "" {
			t.Skip("no rotation in hand")
		}
		w.refusedOr(do())
	}
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"begin":   w.begin,
		"deliver": w.deliver,
		"use": func(t *rapid.T) {
			if w.sec.IsZero() {
				t.Skip()
			}
			_, _ = w.check(w.sec)
		},
		"use what a sink holds": func(t *rapid.T) { _, _ = w.check(w.holds[rapid.SampledFrom([]string{"a", "b"}).Draw(t, "sink")]) },
		"prove": w.step(func() error {
			_, _, err := w.svc.ProveRotation(w.Context(), w.owner, "acme", w.key.ID, w.id, fromHere())
			return err
		}),
		"promote": func(t *rapid.T) {
			grace := time.Duration(rapid.IntRange(0, 3).Draw(t, "hours")) * time.Hour
			onUse := rapid.SampledFrom(api.OnUses()).Draw(t, "on use")
			in := core.Promotion{Grace: grace, OnUse: onUse, OnFirstUse: rapid.Bool().Draw(t, "on first use")}
			if grace > 0 {
				in.Quiet = time.Duration(rapid.SampledFrom([]int{0, 1, 15}).Draw(t, "minutes")) * time.Minute
			}
			w.step(func() error {
				_, _, err := w.svc.PromoteRotation(w.Context(), w.owner, "acme", w.key.ID, w.id, in, fromHere())
				return err
			})(t)
		},
		"retire": w.step(func() error {
			_, _, err := w.svc.RetireRotation(w.Context(), w.owner, "acme", w.key.ID, w.id, fromHere())
			return err
		}),
		"cancel": w.step(func() error {
			_, _, err := w.svc.CancelRotation(w.Context(), w.owner, "acme", w.key.ID, w.id, false, fromHere())
			return err
		}),
		"time": func(t *rapid.T) {
			w.clock.move(time.Duration(rapid.SampledFrom([]int{1, 60, 60, 1440, 5000}).Draw(t, "minutes")) * time.Minute)
		},
		"sweep": func(*rapid.T) { w.must(core.SettleForTest(w.Context(), w.svc)) },
		"":      w.invariant,
	}
}

// invariant: at every instant each sink with a receipt holds a secret that is valid, and nothing of the key but its secrets changed.
func (w *world) invariant(t *rapid.T) {
	for sink, sec := range w.holds {
		if !w.acked[sink] {
			continue
		}
		if _, _, err := w.svc.Lookup(w.Context(), w.owner, "acme", sec.Reveal()); err != nil {
			t.Fatalf("the sink %s holds a secret that nobody knows: %v", sink, err)
		}
		if !w.valid(sec) {
			t.Fatalf("the sink %s has a receipt and holds a secret that opens nothing", sink)
		}
	}
	got := w.get(w.key.ID)
	want := w.key
	want.Secrets, want.LastUsedAt = got.Secrets, got.LastUsedAt
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("a rotation changed more than secrets: %s", diff)
	}
	count := map[api.SecretState]int{}
	for _, s := range got.Secrets {
		count[s.State]++
	}
	if count[api.SecretCurrent] != 1 || count[api.SecretNext] > 1 {
		t.Fatalf("secrets %v", count)
	}
}

// valid says whether a secret opens the service, without using it.
func (w *world) valid(sec secret.Secret) bool {
	_, v, err := w.svc.Lookup(w.Context(), w.owner, "acme", sec.Reveal())
	w.must(err)
	return v.State != api.SecretRetired && (v.ExpiresAt.IsZero() || w.clock.now().Before(v.ExpiresAt))
}

// TestRotationModel walks at random through the steps of runs that die, retry and sleep.
func TestRotationModel(t *testing.T) {
	t.Parallel()
	n := 0
	f := newFixture(t)
	rapid.Check(t, func(t *rapid.T) {
		n++
		w := newWorld(f, n)
		t.Repeat(w.actions())
		// In the end nothing is left half done.
		for range 3 {
			f.clock.move(25 * time.Hour)
			f.must(core.SettleForTest(f.Context(), f.svc))
		}
		rows, err := f.svc.Rotations(f.Context(), f.owner, "acme", w.key.ID)
		f.must(err)
		ends := []api.RotationState{api.RotationRetired, api.RotationCancelled, api.RotationNeedsAttention}
		for _, r := range rows {
			if !slices.Contains(ends, r.State) {
				t.Fatalf("the rotation %s ends %s", r.ID, r.State)
			}
			delete(w.all, r.ID)
		}
		if len(w.all) > 0 {
			t.Fatalf("rotations that are not listed: %v", slices.Collect(maps.Keys(w.all)))
		}
		w.invariant(t)
	})
}
