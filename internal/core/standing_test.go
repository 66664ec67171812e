package core_test

import (
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// TestStillAdmits: what a stream was opened with is refused after each thing that ends it, made here or by another process.
func TestStillAdmits(t *testing.T) {
	t.Parallel()
	elsewhere := func(change func(*turn, store.Key, store.Tx) error) func(*turn) {
		return func(r *turn) {
			r.must(r.db.Open(r).Update(r.Context(), func(tx store.Tx) error {
				row, err := tx.Key(r.org.ID, r.get("ci").ID)
				if err != nil {
					return err
				}
				return change(r, row, tx)
			}))
			<-time.After(core.IndexLeaseForTest + time.Millisecond)
		}
	}
	for name, tt := range map[string]struct {
		end  func(*turn)
		code api.Code // empty: it goes on
		text string
	}{
		"nothing": {func(*turn) {}, "", ""},
		"disabled": {func(r *turn) {
			_, err := r.svc.SetKeyEnabled(r.Context(), r.owner, "acme", "ci", false, "")
			r.must(err)
		}, api.CodeKeyDisabled, "is disabled"},
		"deleted": {func(r *turn) {
			r.must(r.svc.DeleteKey(r.Context(), r.owner, "acme", "ci", core.DeleteKey{AcknowledgeRecentUse: true}))
		}, api.CodeUnauthenticated, "was deleted"},
		"expired": {func(r *turn) {
			end := r.clock.now().Add(time.Minute)
			_, err := r.svc.UpdateKey(r.Context(), r.owner, "acme", "ci", core.KeyPatch{ExpiresAt: &end}, 0)
			r.must(err)
			r.clock.set(end)
		}, api.CodeKeyExpired, "expired at"},
		"retiring": {func(r *turn) { r.promoted(time.Hour, "") }, "", ""},
		"retired": {func(r *turn) {
			r.promoted(time.Hour, "")
			_, err := r.retire()
			r.must(err)
		}, api.CodeKeyExpired, "this secret of the key \"ci\" ended at"},
		"its grace is over": {func(r *turn) {
			r.promoted(time.Hour, "")
			r.clock.move(time.Hour)
		}, api.CodeKeyExpired, "this secret of the key \"ci\" ended at"},
		"disabled elsewhere": {elsewhere(func(_ *turn, k store.Key, tx store.Tx) error {
			k.Disabled = true
			return tx.UpdateKey(k)
		}), api.CodeKeyDisabled, "is disabled"},
		"deleted elsewhere": {elsewhere(func(r *turn, k store.Key, tx store.Tx) error {
			return tx.DeleteKey(k, r.clock.now())
		}), api.CodeUnauthenticated, "was deleted"},
		"retired elsewhere": {elsewhere(func(r *turn, k store.Key, tx store.Tx) error {
			return tx.RetireSecret(k.ID, 1, r.clock.now())
		}), api.CodeKeyExpired, "this secret of the key \"ci\" ended at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := f.turn()
			of, err := r.svc.Standing(r.old.Reveal())
			r.must(err)
			refused, err := r.svc.StillAdmits(t.Context(), of)
			r.must(err)
			r.must(refused)
			tt.end(r)
			refused, err = r.svc.StillAdmits(t.Context(), of)
			r.must(err)
			if tt.code == "" {
				r.must(refused)
				r.equal("it is no use", r.get("ci").Secrets[0].LastUsedAt, time.Time{})
				return
			}
			r.refused(refused, tt.code, tt.text)
		})
	}
}

func TestStillAdmitsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	of, err := f.svc.Standing(sec.Reveal())
	f.must(err)
	f.must(f.store.Close())
	if refused, err := f.svc.StillAdmits(t.Context(), of); refused != nil || err == nil {
		t.Errorf("without a store: %v, %v", refused, err)
	}
	_, err = f.svc.Standing(secret.New(secret.Session).Reveal())
	f.refused(err, api.CodeUnauthenticated, noKeyDetail)
}
