package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestRotatingKeyIsDisabled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "")
	f.must(err)
	f.opens(r.new, false)
	f.opens(r.old, false)
	f.equal("the rotation stays", f.open("ci", core.NewRotation{}).Rotation.ID, r.id) // no sinks any more
	_, err = r.prove()
	f.refused(err, api.CodeRotationState, "never used")
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", true, "")
	f.must(err)
	f.opens(r.new, true)
	r.step(api.RotationProven)(r.prove())
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "")
	f.must(err)
	r.step(api.RotationRetired)(r.promote(0, ""))
	f.opens(r.new, false)

	for _, emergency := range []bool{false, true} {
		_, err = f.svc.OpenRotation(t.Context(), f.owner, "acme", "ci", core.NewRotation{Emergency: emergency}, fromHere())
		f.refused(err, api.CodeKeyNotEnabled, `the key "ci" is disabled`)
	}
	f.create(core.NewKey{Name: "short", ExpiresAt: f.clock.now().Add(time.Hour)})
	f.clock.move(time.Hour)
	_, err = f.svc.OpenRotation(t.Context(), f.owner, "acme", "short", core.NewRotation{}, fromHere())
	f.refused(err, api.CodeKeyNotEnabled, `the key "short" is expired`)
}

func TestRotatingKeyIsDeleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	r.promoted(time.Hour, api.OnUseFail)
	again := f.open("ci", core.NewRotation{})
	id := f.get("ci").ID
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{AcknowledgeRecentUse: true}))
	for _, sec := range []secret.Secret{r.old, r.new, again.Secret} {
		_, err := f.check(sec)
		f.refused(err, api.CodeUnauthenticated, "")
	}
	_, err := r.prove()
	f.refused(err, api.CodeKeyNotFound, "")
	page, err := f.svc.Events(t.Context(), f.owner, "acme", core.ListEvents{Key: id, Limit: 3})
	f.must(err)
	var got []string
	for _, e := range page.Events {
		got = append(got, e.Type)
	}
	f.equal("events", got, []string{"key.deleted", "key.rotation.retired", "key.rotation.cancelled"})
	f.clock.move(48 * time.Hour)
	f.must(core.SettleForTest(t.Context(), f.svc))
}

// TestNightlyRotation: the default grace is a day, and so is a night's job; a new rotation need not wait for the last one's end.
func TestNightlyRotation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, last := f.create(core.NewKey{Name: "ci"})
	for night := range 12 {
		out := f.open("ci", core.NewRotation{Run: fmt.Sprint("night ", night)})
		r := &turn{f, out.Rotation.ID, last, out.Secret}
		f.opens(r.new, true)
		r.step(api.RotationProven)(r.prove())
		r.step(api.RotationPromoted)(r.promote(24*time.Hour, ""))
		f.opens(last, true)
		last = r.new
		f.clock.move(24*time.Hour - time.Second)
	}
	f.equal("secrets", len(f.get("ci").Secrets), 3)
	for range 7 {
		out := f.open("ci", core.NewRotation{})
		r := &turn{f, out.Rotation.ID, last, out.Secret}
		f.opens(r.new, true)
		r.step(api.RotationProven)(r.prove())
		r.step(api.RotationPromoted)(r.promote(24*time.Hour, ""))
	}
	_, err := f.svc.OpenRotation(t.Context(), f.owner, "acme", "ci", core.NewRotation{}, fromHere())
	f.refused(err, api.CodeRotationOpen, `8 old secrets of the key "ci" are still retiring`)
}

// TestRotationKeepsWhatIsKept: where secrets are not kept, a rotation's is for its own time alone, and handed out twice all the
// same.
func TestRotationKeepsWhatIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dataKey, err := core.NewDataKeyForTest(testMaterial(), "org_strict")
	f.must(err)
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		org, err := tx.Org(f.org.ID)
		if err != nil {
			return err
		}
		org.ID, org.Slug, org.Recoverable, org.DataKey = "org_strict", "strict", false, dataKey
		if err := tx.AddOrg(org); err != nil {
			return err
		}
		return tx.AddMembership(store.Membership{OrgID: org.ID, UserID: f.owner.User.ID, Role: string(api.RoleOwner), CreatedAt: f.clock.now()})
	}))
	_, _, _, err = f.svc.CreateKey(t.Context(), f.owner, "strict", core.NewKey{Name: "ci"})
	f.must(err)
	for _, emergency := range []bool{false, true} {
		out, err := f.svc.OpenRotation(t.Context(), f.owner, "strict", "ci", core.NewRotation{Emergency: emergency}, fromHere())
		f.must(err)
		again, err := f.svc.OpenRotation(t.Context(), f.owner, "strict", "ci", core.NewRotation{}, fromHere())
		f.must(err)
		f.equal("once more", again.Secret.Reveal(), out.Secret.Reveal())
		f.opens(out.Secret, true)
		_, _, err = f.svc.ProveRotation(t.Context(), f.owner, "strict", "ci", out.Rotation.ID, fromHere())
		f.must(err)
		_, k, err := f.svc.PromoteRotation(t.Context(), f.owner, "strict", "ci", out.Rotation.ID, core.Promotion{}, fromHere())
		f.must(err)
		f.equal("recoverable", []bool{again.Key.Recoverable, k.Recoverable}, []bool{false, false})
		_, _, err = f.svc.RevealKey(t.Context(), f.owner, "strict", "ci")
		f.refused(err, api.CodeNotRecoverable, "")
	}
}

func TestNoSealedCopyIsLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	r.promoted(0, "")
	out := f.open("ci", core.NewRotation{})
	second := &turn{f, out.Rotation.ID, r.new, out.Secret}
	second.step(api.RotationCancelled)(second.cancel(false))
	f.must(f.store.View(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Rotations(f.get("ci").ID, 10)
		for _, row := range rows {
			if row.Sealed != nil {
				t.Errorf("the rotation %s is %s and holds its secret", row.ID, row.State)
			}
		}
		return err
	}))
}

func TestBadRotations(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.turn()
	many := make([]string, api.RotationSinksMax+1)
	for i := range many {
		many[i] = fmt.Sprint("sink ", i)
	}
	for _, tt := range []struct {
		sinks []string
		want  string
	}{
		{[]string{""}, "the name of the sink is empty"},
		{[]string{"a\x1b[2J"}, "not visible"},
		{[]string{"a", "a"}, "is there twice"},
		{[]string{"file:" + r.new.Reveal()}, "holds a secret"},
		{many, "33 sinks"},
	} {
		_, err := f.svc.OpenRotation(t.Context(), f.owner, "acme", "ci", core.NewRotation{Sinks: tt.sinks}, fromHere())
		f.refused(err, api.CodeInvalidRequest, tt.want)
	}
	_, err := r.deliver(r.old.Reveal())
	f.refused(err, api.CodeInvalidRequest, "holds a secret")
	for _, p := range []core.Promotion{{Grace: -1}, {Grace: api.RotationGraceMax + 1}, {OnUse: "keep"}} {
		_, _, err := f.svc.PromoteRotation(t.Context(), f.owner, "acme", "ci", r.id, p, fromHere())
		f.refused(err, api.CodeInvalidRequest, "")
	}
	f.equal("nothing changed", r.state(), api.RotationMinted)
}
