package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// TestRotation walks the way from the first to the last state.
func TestRotation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.now().Truncate(time.Microsecond)
	r := f.turn()
	opened := f.open("ci", core.NewRotation{Sinks: []string{"a", "b"}})
	f.equal("joined", opened.Joined, true)
	f.equal("the secret once more", opened.Secret.Reveal(), r.new.Reveal())
	f.equal("opened", opened.Rotation, core.Rotation{
		ID: r.id, KeyID: f.get("ci").ID, State: api.RotationMinted, OldVersion: 1, NewVersion: 2, OpenedAt: start, OpenedBy: f.owner.Actor(),
		UpdatedAt: start, ExpiresAt: start.Add(24 * time.Hour), Sinks: []core.Sink{{Name: "a"}, {Name: "b"}},
	})
	_, err := r.prove()
	f.refused(err, api.CodeRotationState, `is minted: the sink "a" has no receipt`)
	r.step(api.RotationMinted)(r.deliver("a"))
	r.step(api.RotationDelivered)(r.deliver("b"))
	_, err = r.prove()
	f.refused(err, api.CodeRotationState, "is delivered: the new secret was never used")
	_, err = r.promote(time.Hour, "")
	f.refused(err, api.CodeRotationState, "nobody has proven")
	_, err = r.retire()
	f.refused(err, api.CodeRotationState, "is delivered: the old secret is the one in use")
	f.opens(r.old, true)
	_, err = r.prove()
	f.refused(err, api.CodeRotationState, "never used") // the old one's use proves nothing
	f.opens(r.new, true)
	r.step(api.RotationProven)(r.prove())
	r.step(api.RotationPromoted)(r.promote(time.Hour, ""))

	k := f.get("ci")
	f.equal("hint", k.Hint(), r.new.Hint())
	f.equal("states", []api.SecretState{k.Secrets[0].State, k.Secrets[1].State}, []api.SecretState{api.SecretRetiring, api.SecretCurrent})
	f.equal("expiry", k.Secrets[0].ExpiresAt, start.Add(time.Hour))
	_, revealed, err := f.svc.RevealKey(t.Context(), f.owner, "acme", "ci")
	f.must(err)
	f.equal("revealed", revealed.Reveal(), r.new.Reveal())
	for range 2 { // every step again: nothing changes
		for _, again := range []func() (core.Rotation, error){
			func() (core.Rotation, error) { return r.deliver("a") }, r.prove, func() (core.Rotation, error) { return r.promote(9*time.Hour, api.OnUseFail) },
		} {
			r.step(api.RotationPromoted)(again())
		}
	}
	_, err = r.deliver("c")
	f.refused(err, api.CodeRotationState, "is promoted: it takes no more receipts")
	_, err = r.cancel(true)
	f.refused(err, api.CodeRotationState, "is promoted: its secret is the key's own now")

	f.clock.move(time.Hour - time.Microsecond)
	f.opens(r.old, true)
	f.clock.move(time.Microsecond)
	f.opens(r.old, false) // by the check itself: no sweeper ran
	f.opens(r.new, true)
	f.equal("settled", r.settle(), api.RotationRetired)
	r.step(api.RotationRetired)(r.retire())
	_, err = f.check(r.old)
	f.refused(err, api.CodeKeyExpired, `this secret of the key "ci" ended at 2031-02-03T05:05:06Z`)
	found, v, err := f.svc.Lookup(t.Context(), f.owner, "acme", r.old.Reveal())
	f.must(err)
	f.equal("what leaked is known", []any{found.Name, v.Version, v.State, v.ExpiresAt}, []any{"ci", 1, api.SecretRetired, start.Add(time.Hour)})
	f.equal("its key", found, f.get("ci"))
	f.equal("events", f.events(k.ID), []string{
		"key.rotation.retired", "key.revealed", "key.rotation.promoted", "key.rotation.proven",
		"key.rotation.delivered", "key.rotation.delivered", "key.rotation.joined", "key.rotation.opened", "key.created",
	})
	page, err := f.svc.Events(t.Context(), f.owner, "acme", core.ListEvents{Type: "key.rotation.promoted"})
	f.must(err)
	f.equal("what an event tells", page.Events[0].Data, map[string]string{
		"rotation": r.id, "retire_at": "2031-02-03T05:05:06Z", "on_use": "cut", "address": "192.0.2.0/24", "agent": "keyfob/1.0",
	})
	_, err = f.svc.Events(t.Context(), f.owner, "acme", core.ListEvents{Type: "key.rotation"})
	f.refused(err, api.CodeInvalidRequest, "no events of the type")
}

func TestRotationIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before func(*turn)
		want   api.RotationState
	}{
		"nobody has the secret":     {func(*turn) {}, api.RotationCancelled},
		"a sink has it":             {func(r *turn) { _, err := r.deliver("a"); r.must(err) }, api.RotationNeedsAttention},
		"somebody used it":          {func(r *turn) { r.opens(r.new, true) }, api.RotationNeedsAttention},
		"the day is not over":       {func(r *turn) { r.clock.move(-time.Microsecond) }, api.RotationMinted},
		"it was joined in the time": {func(r *turn) { r.clock.move(time.Hour); r.open("ci", core.NewRotation{}); r.clock.move(-time.Hour) }, api.RotationMinted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := f.turn()
			tt.before(r)
			f.clock.move(24 * time.Hour)
			f.equal("state", r.settle(), tt.want)
			f.opens(r.old, true)
			f.opens(r.new, tt.want != api.RotationCancelled)
			again := f.open("ci", core.NewRotation{Sinks: []string{"b"}})
			f.equal("goes on with the same", again.Rotation.ID == r.id, tt.want != api.RotationCancelled)
			f.equal("needs attention no more", again.Rotation.State, api.RotationMinted)
		})
	}
}

func TestRotationOnUse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		onUse api.OnUse
		used  bool
		want  api.RotationState
	}{
		"cut, quiet": {api.OnUseCut, false, api.RotationRetired}, "cut, in use": {api.OnUseCut, true, api.RotationRetired},
		"extend, quiet": {api.OnUseExtend, false, api.RotationRetired}, "extend, in use": {api.OnUseExtend, true, api.RotationPromoted},
		"fail, quiet": {api.OnUseFail, false, api.RotationRetired}, "fail, in use": {api.OnUseFail, true, api.RotationNeedsAttention},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := f.turn()
			f.opens(r.old, true)
			r.promoted(3*time.Hour, tt.onUse)
			if tt.used {
				f.clock.move(150 * time.Minute)
				f.opens(r.old, true)
				f.clock.move(-150 * time.Minute)
			}
			f.clock.move(3 * time.Hour)
			f.equal("state", r.settle(), tt.want)
			f.opens(r.old, tt.want != api.RotationRetired)
			if tt.want == api.RotationPromoted { // at last a person decides
				for range 40 {
					f.clock.move(23*time.Hour + 30*time.Minute)
					if r.state() == api.RotationPromoted {
						f.opens(r.old, true)
					}
					f.clock.move(30 * time.Minute)
					r.settle()
				}
				f.equal("after a month", r.state(), api.RotationNeedsAttention)
			}
			f.opens(r.new, true)
			r.step(api.RotationRetired)(r.retire())
			f.opens(r.old, false)
			f.opens(r.new, true)
		})
	}
}

func TestRotationIsTakenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	r.step(api.RotationCancelled)(r.cancel(false))
	r.step(api.RotationCancelled)(r.cancel(false))
	f.opens(r.new, false)
	f.opens(r.old, true)
	for _, step := range []func() (core.Rotation, error){r.prove, func() (core.Rotation, error) { return r.promote(0, "") }, r.retire, func() (core.Rotation, error) { return r.deliver("a") }} {
		_, err := step()
		f.refused(err, api.CodeRotationState, "is cancelled")
	}
	_, v, err := f.svc.Lookup(t.Context(), f.owner, "acme", r.new.Reveal())
	f.must(err)
	f.equal("what was taken back is known", v.State, api.SecretRetired)

	again := f.open("ci", core.NewRotation{Sinks: []string{"a"}})
	second := &turn{f, again.Rotation.ID, r.old, again.Secret}
	f.equal("another version", again.Rotation.NewVersion, 3)
	second.step(api.RotationDelivered)(second.deliver("a"))
	_, err = second.cancel(false)
	f.refused(err, api.CodeRotationUsed, `the new secret is in "a" and was not used yet`)
	f.opens(second.new, true)
	_, err = second.cancel(false)
	f.refused(err, api.CodeRotationUsed, "was last used at 2031")
	second.step(api.RotationCancelled)(second.cancel(true))
	f.opens(second.new, false)
	f.opens(r.old, true)
}

func TestEmergency(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	r.promoted(time.Hour, "")
	cut := f.open("ci", core.NewRotation{Emergency: true, Sinks: []string{"a"}})
	e := &turn{f, cut.Rotation.ID, r.new, cut.Secret}
	f.opens(r.old, false)
	f.opens(r.new, false)
	f.equal("one secret is left", len(f.get("ci").Secrets), 1)
	f.equal("the earlier rotation", r.state(), api.RotationRetired)
	_, err := e.cancel(true)
	f.refused(err, api.CodeRotationState, "the old secret was cut")
	f.clock.move(25 * time.Hour)
	f.equal("never taken back", e.settle(), api.RotationNeedsAttention)
	again := f.open("ci", core.NewRotation{Emergency: true, Sinks: []string{"a"}})
	f.equal("the same secret", again.Secret.Reveal(), e.new.Reveal())
	e.step(api.RotationDelivered)(e.deliver("a"))
	f.opens(e.new, true)
	e.step(api.RotationProven)(e.prove())
	e.step(api.RotationRetired)(e.promote(time.Hour, ""))

	next := f.open("ci", core.NewRotation{})
	turned := f.open("ci", core.NewRotation{Emergency: true})
	f.equal("an open rotation turns into one", []any{turned.Rotation.ID, turned.Rotation.Emergency, turned.Secret.Reveal()},
		[]any{next.Rotation.ID, true, next.Secret.Reveal()})
	f.opens(e.new, false)
	f.opens(next.Secret, true)
}

func TestRotationOfARun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(core.NewKey{Name: "ci"})
	run := core.NewRotation{Run: "github 42"}
	first := f.open("ci", run)
	r := &turn{f, first.Rotation.ID, secret.Secret{}, first.Secret}
	f.opens(r.new, true)
	r.step(api.RotationProven)(r.prove())
	r.step(api.RotationPromoted)(r.promote(time.Hour, ""))
	again := f.open("ci", run)
	f.equal("finished", []any{again.Rotation.ID, again.Joined, again.Secret.IsZero()}, []any{r.id, true, true})
	other := f.open("ci", core.NewRotation{Run: "github 43"})
	f.equal("another run", []any{other.Rotation.ID != r.id, other.Joined}, []any{true, false})
	o := &turn{f, other.Rotation.ID, secret.Secret{}, other.Secret}
	o.step(api.RotationCancelled)(o.cancel(false))
	third := f.open("ci", core.NewRotation{Run: "github 43"})
	f.equal("what was taken back is done anew", []any{third.Rotation.ID != o.id, third.Joined}, []any{true, false})
	_, err := f.svc.OpenRotation(t.Context(), f.owner, "acme", "ci", core.NewRotation{Run: "\x00"}, fromHere())
	f.refused(err, api.CodeInvalidRequest, "idempotency key")
}

func TestWhoMayRotate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	_, other, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "globex", OrgName: "Globex", UserName: "Bo"})
	f.must(err)
	_, stranger := f.signIn(other)
	_, err = f.svc.OpenRotation(t.Context(), stranger, "acme", "ci", core.NewRotation{}, fromHere())
	f.refused(err, api.CodeOrgNotFound, "")
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.AddMembership(store.Membership{OrgID: f.org.ID, UserID: other.ID, Role: string(api.RoleAdmin), CreatedAt: f.clock.now()})
	}))
	_, err = f.svc.OpenRotation(t.Context(), stranger, "acme", "ci", core.NewRotation{}, fromHere())
	f.refused(err, api.CodeRotationOpen, `"Ada" has had a rotation of the key "ci" open since 2031-02-03T04:05:06Z`)
	_, _, err = f.svc.CancelRotation(t.Context(), stranger, "acme", "ci", r.id, false, fromHere())
	f.must(err) // who may rotate may take any back
	for _, id := range []string{"", "rot_1", "rot_" + strings.Repeat("0", 26), strings.Replace(r.id, "rot_", "key_", 1)} {
		_, _, err = f.svc.Rotation(t.Context(), f.owner, "acme", "ci", id)
		f.refused(err, api.CodeRotationNotFound, "has no rotation")
	}
	f.create(core.NewKey{Name: "cd"})
	_, _, err = f.svc.Rotation(t.Context(), f.owner, "acme", "cd", r.id)
	f.refused(err, api.CodeRotationNotFound, "")
}
