package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// proven takes the rotation to where it can be promoted.
func (r *turn) proven() {
	r.Helper()
	r.step(api.RotationMinted)(r.deliver("a"))
	r.step(api.RotationDelivered)(r.deliver("b"))
	r.opens(r.new, true)
	r.step(api.RotationProven)(r.prove())
	r.clock.move(time.Second) // a use in the same instant is that of the proof
}

func (r *turn) promoteWith(in core.Promotion) (core.Rotation, error) {
	out, _, err := r.svc.PromoteRotation(r.Context(), r.owner, "acme", "ci", r.id, in, fromHere())
	return out, err
}

// instant is now as the store keeps it.
func (f *fixture) instant() time.Time { return f.clock.now().Truncate(time.Microsecond) }

// look reads the rotation, which takes the step that is due.
func (r *turn) look() core.Rotation {
	r.Helper()
	out, _, err := r.svc.Rotation(r.Context(), r.owner, "acme", "ci", r.id)
	r.must(err)
	return out
}

func TestSilence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	f.opens(r.old, true)
	r.proven()
	r.step(api.RotationPromoted)(r.promoteWith(core.Promotion{Grace: 2 * time.Hour, Quiet: 15 * time.Minute}))
	for range 4 { // in use, it goes on
		f.clock.move(14 * time.Minute)
		f.opens(r.old, true)
		f.equal("state", r.look().State, api.RotationPromoted)
	}
	f.clock.move(15*time.Minute - time.Microsecond)
	f.equal("a moment before", r.settle(), api.RotationPromoted)
	f.clock.move(time.Microsecond)
	got := r.look()
	f.equal("quiet", []any{got.State, got.RetireAt, got.EndedAt}, []any{api.RotationRetired, f.instant(), f.instant()})
	f.opens(r.old, false)
	f.opens(r.new, true)
	page, err := f.svc.Events(t.Context(), f.owner, "acme", core.ListEvents{Type: "key.rotation.retired"})
	f.must(err)
	f.equal("reason", page.Events[0].Data["reason"], "it was not used for 15m0s")
	f.equal("by", page.Events[0].Actor.Type, api.ActorSystem)
}

// TestSilenceNeverComes: at the deadline the policy decides.
func TestSilenceNeverComes(t *testing.T) {
	t.Parallel()
	for onUse, want := range map[api.OnUse]api.RotationState{
		api.OnUseCut: api.RotationRetired, api.OnUseFail: api.RotationNeedsAttention, api.OnUseExtend: api.RotationPromoted,
	} {
		t.Run(string(onUse), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := f.turn()
			r.proven()
			r.step(api.RotationPromoted)(r.promoteWith(core.Promotion{Grace: time.Hour, Quiet: 15 * time.Minute, OnUse: onUse}))
			for range 5 {
				f.clock.move(10 * time.Minute)
				f.opens(r.old, true)
				f.must(core.SettleForTest(t.Context(), f.svc))
			}
			f.clock.move(10 * time.Minute)
			if onUse == api.OnUseCut {
				f.opens(r.old, false) // by the check itself
			}
			f.equal("state", r.settle(), want)
			if want == api.RotationPromoted { // the silence still counts
				f.clock.move(5 * time.Minute)
				f.equal("quiet after all", r.settle(), api.RotationRetired)
			}
		})
	}
}

func TestFirstUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	_, err := r.promoteWith(core.Promotion{Grace: time.Hour, OnFirstUse: true})
	f.refused(err, api.CodeRotationState, "nobody has proven")
	r.proven()
	in := core.Promotion{Grace: time.Hour, Quiet: time.Minute, OnUse: api.OnUseFail, OnFirstUse: true}
	armed := f.instant()
	for range 2 {
		r.step(api.RotationProven)(r.promoteWith(in))
	}
	got := r.look()
	f.equal("waits", []any{got.ArmedAt, got.ExpiresAt, got.PromotedAt}, []any{armed, armed.Add(24 * time.Hour), time.Time{}})
	f.opens(r.old, true) // the old one's use says nothing
	f.clock.move(3 * time.Hour)
	f.equal("nobody used it", r.settle(), api.RotationProven)
	f.opens(r.new, true)
	got = r.look() // by whoever comes first: this look, or the service by itself
	f.equal("promoted", []any{got.State, got.OnUse, got.Quiet, got.RetireAt}, []any{api.RotationPromoted, api.OnUseFail, time.Minute, f.instant().Add(time.Hour)})
	f.equal("current", f.get("ci").Hint(), r.new.Hint())
	f.opens(r.old, true)
}

// TestFirstUseByItself: nobody looks, no sweep runs.
func TestFirstUseByItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	r.proven()
	r.step(api.RotationProven)(r.promoteWith(core.Promotion{Grace: time.Hour, OnFirstUse: true}))
	f.clock.move(time.Minute)
	f.opens(r.new, true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.state() != api.RotationPromoted {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the rotation is still %s", r.state())
		}
	}
}

func TestFirstUseIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	r.proven()
	r.step(api.RotationProven)(r.promoteWith(core.Promotion{Grace: time.Hour, OnFirstUse: true}))
	again := f.open("ci", core.NewRotation{Sinks: []string{"a", "b"}})
	f.equal("joined, it still waits", again.Rotation.ArmedAt.IsZero(), false)
	f.clock.move(24 * time.Hour)
	f.equal("after a day", r.settle(), api.RotationNeedsAttention)
	f.opens(r.old, true)
	again = f.open("ci", core.NewRotation{Sinks: []string{"c"}})
	f.equal("with another sink it waits no more", []any{again.Rotation.State, again.Rotation.ArmedAt}, []any{api.RotationMinted, time.Time{}})
}

func TestPromotionIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	for _, in := range []core.Promotion{{Grace: time.Hour, Quiet: -1}, {Grace: time.Hour, Quiet: time.Hour + 1}, {Quiet: time.Second}} {
		_, err := r.promoteWith(in)
		f.refused(err, api.CodeInvalidRequest, "the silence is not from 0 seconds to the grace")
	}
	e := f.open("ci", core.NewRotation{Emergency: true})
	f.opens(e.Secret, true)
	r.step(api.RotationDelivered)(r.deliver("a"))
	r.step(api.RotationProven)(r.prove())
	_, err := r.promoteWith(core.Promotion{Grace: time.Hour, OnFirstUse: true})
	f.refused(err, api.CodeRotationState, "nothing to wait for")
}
