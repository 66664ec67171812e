package core_test

import (
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// TestRotatingKeyExpires: the key's own expiry comes between two steps. Nothing is lost, and it goes on once the expiry is moved.
func TestRotatingKeyExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	end := f.clock.now().Add(time.Hour)
	_, err := f.svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{ExpiresAt: &end}, 0)
	f.must(err)
	r.step(api.RotationMinted)(r.deliver("a"))
	f.clock.move(time.Hour)
	f.opens(r.new, false)
	f.opens(r.old, false)
	r.step(api.RotationDelivered)(r.deliver("b"))
	_, err = r.prove()
	f.refused(err, api.CodeRotationState, "never used")
	never := time.Time{}
	_, err = f.svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{ExpiresAt: &never}, 0)
	f.must(err)
	f.opens(r.old, true)
	f.opens(r.new, true)
	r.step(api.RotationProven)(r.prove())
	end = f.clock.now().Add(time.Minute)
	_, err = f.svc.UpdateKey(t.Context(), f.owner, "acme", "ci", core.KeyPatch{ExpiresAt: &end}, 0)
	f.must(err)
	r.step(api.RotationPromoted)(r.promote(time.Hour, "")) // the grace does not outlive the key
	f.clock.move(time.Minute)
	f.opens(r.old, false)
	f.opens(r.new, false)
}
