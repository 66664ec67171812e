package core_test

import (
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func fromHere() core.Origin { return core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "keyfob/1.0"} }

// turn is a rotation of a key under test.
type turn struct {
	*fixture
	id       string
	old, new secret.Secret
}

func (f *fixture) open(ref string, in core.NewRotation) core.Opened {
	f.Helper()
	out, err := f.svc.OpenRotation(f.Context(), f.owner, "acme", ref, in, fromHere())
	f.must(err)
	return out
}

// turn makes the key "ci" and opens a rotation of it with sinks "a" and "b".
func (f *fixture) turn() *turn {
	f.Helper()
	_, old := f.create(core.NewKey{Name: "ci", Tags: map[string]string{"team": "web"}})
	out := f.open("ci", core.NewRotation{Sinks: []string{"a", "b"}})
	return &turn{f, out.Rotation.ID, old, out.Secret}
}

func (r *turn) deliver(sink string) (core.Rotation, error) {
	out, _, err := r.svc.DeliverRotation(r.Context(), r.owner, "acme", "ci", r.id, sink, true, fromHere())
	return out, err
}

func (r *turn) prove() (core.Rotation, error) {
	out, _, err := r.svc.ProveRotation(r.Context(), r.owner, "acme", "ci", r.id, fromHere())
	return out, err
}

func (r *turn) promote(grace time.Duration, onUse api.OnUse) (core.Rotation, error) {
	out, _, err := r.svc.PromoteRotation(r.Context(), r.owner, "acme", "ci", r.id, core.Promotion{Grace: grace, OnUse: onUse}, fromHere())
	return out, err
}

func (r *turn) retire() (core.Rotation, error) {
	out, _, err := r.svc.RetireRotation(r.Context(), r.owner, "acme", "ci", r.id, fromHere())
	return out, err
}

func (r *turn) cancel(acknowledged bool) (core.Rotation, error) {
	out, _, err := r.svc.CancelRotation(r.Context(), r.owner, "acme", "ci", r.id, acknowledged, fromHere())
	return out, err
}

// step takes a step that must lead to the state.
func (r *turn) step(want api.RotationState) func(core.Rotation, error) {
	r.Helper()
	return func(got core.Rotation, err error) {
		r.Helper()
		r.must(err)
		r.equal("state", got.State, want)
	}
}

func (r *turn) promoted(grace time.Duration, onUse api.OnUse) {
	r.Helper()
	r.step(api.RotationMinted)(r.deliver("a"))
	r.step(api.RotationDelivered)(r.deliver("b"))
	r.opens(r.new, true)
	r.step(api.RotationProven)(r.prove())
	want := api.RotationPromoted
	if grace == 0 {
		want = api.RotationRetired
	}
	r.step(want)(r.promote(grace, onUse))
}

// state is what the record says: it is left as it is.
func (r *turn) state() api.RotationState {
	r.Helper()
	all, err := r.svc.Rotations(r.Context(), r.owner, "acme", "ci")
	r.must(err)
	i := slices.IndexFunc(all, func(one core.Rotation) bool { return one.ID == r.id })
	return all[i].State
}

// settle has the sweeper run, and returns the state after it.
func (r *turn) settle() api.RotationState {
	r.Helper()
	r.must(core.SettleForTest(r.Context(), r.svc))
	return r.state()
}

func (f *fixture) opens(sec secret.Secret, want bool) {
	f.Helper()
	_, err := f.check(sec)
	if want {
		f.must(err)
	} else if err == nil {
		f.Fatal("a secret opens the service that must not")
	}
}
