package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// newRotation returns a rotation of k, unlike all before, that is not added yet.
func (f *fixture) newRotation(k store.Key) store.Rotation {
	f.made++
	return store.Rotation{
		ID: fmt.Sprintf("rot_%04d", f.made), OrgID: k.OrgID, KeyID: k.ID, State: "minted", Revision: 1, OldVersion: 1, NewVersion: 2,
		OpenedBy: store.Actor{Type: "user", ID: "usr_1", Name: "Ada"}, OpenedAt: at(f.made), UpdatedAt: at(f.made),
	}
}

// rotation adds a rotation of k.
func (f *fixture) rotation(k store.Key) store.Rotation {
	f.Helper()
	r := f.newRotation(k)
	f.update(func(tx store.Tx) error { return tx.AddRotation(r) })
	return r
}

func testRotation(_ *testing.T, f *fixture) {
	k := f.key(f.org("acme").ID, "ci")
	other := f.key(f.org("beta").ID, "ci")
	run := sha256.Sum256([]byte("run"))
	r := f.newRotation(k)
	r.Run, r.Emergency, r.Sealed, r.DueAt = run, true, []byte("sealed"), at(900)
	r.Sinks = []store.Sink{{Name: "dotenv:.env#\"A\""}, {Name: "b", DeliveredAt: at(3), Checked: true}}
	f.update(func(tx store.Tx) error { return tx.AddRotation(r) })
	same := func(want store.Rotation) {
		f.Helper()
		f.view(func(tx store.Tx) error {
			byID, err := tx.Rotation(k.ID, r.ID)
			byRun, err2 := tx.RotationOfRun(k.ID, run)
			list, err3 := tx.Rotations(k.ID, 10)
			f.equal("rotation", []any{byID, byRun, list}, []any{want, want, []store.Rotation{want}})
			f.equal("errors", []error{err, err2, err3}, make([]error, 3))
			return nil
		})
	}
	same(r)
	stale := r
	r.State, r.Run, r.Sealed, r.DueAt, r.PromotedAt, r.RetireAt, r.OnUse, r.UpdatedAt = "promoted", run, nil, at(50), at(40), at(50), "cut", at(40)
	r.Emergency, r.Sinks = false, r.Sinks[1:]
	r.Quiet, r.Grace, r.ArmedAt = 15*time.Minute, time.Hour, at(30)
	f.update(func(tx store.Tx) error { return tx.UpdateRotation(r) })
	r.Revision = 2
	same(r)
	f.updateErr(store.ErrConflict, func(tx store.Tx) error { return tx.UpdateRotation(stale) })
	r.State, r.EndedAt, r.DueAt = "retired", at(50), time.Time{}
	f.update(func(tx store.Tx) error { return tx.UpdateRotation(r) })
	r.Revision = 3
	same(r)
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.Rotation(other.ID, r.ID); return err },
		func(tx store.Tx) error { _, err := tx.Rotation(k.ID, "rot_9"); return err },
		func(tx store.Tx) error { _, err := tx.RotationOfRun(other.ID, run); return err },
		func(tx store.Tx) error { _, err := tx.RotationOfRun(k.ID, [32]byte{}); return err },
		func(tx store.Tx) error { _, err := tx.OpenRotation(k.ID); return err },
	} {
		f.viewErr(store.ErrNotFound, missing)
	}
}

func testOneOpenRotation(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	f.rotation(f.key(acme.ID, "cd"))
	var all []string
	for _, end := range []func(*store.Rotation){
		func(r *store.Rotation) { r.PromotedAt = at(1) },
		func(r *store.Rotation) { r.EndedAt = at(1) },
		func(r *store.Rotation) { r.PromotedAt, r.EndedAt = at(1), at(2) },
	} {
		r := f.rotation(k)
		all = append([]string{r.ID}, all...)
		f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddRotation(f.newRotation(k)) })
		f.view(func(tx store.Tx) error {
			open, err := tx.OpenRotation(k.ID)
			f.equal("open", open, r)
			return err
		})
		end(&r)
		f.update(func(tx store.Tx) error { return tx.UpdateRotation(r) })
	}
	f.view(func(tx store.Tx) error {
		list, err := tx.Rotations(k.ID, 2)
		f.equal("newest", []string{list[0].ID, list[1].ID}, all[:2])
		return err
	})
}

func testDueRotations(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	want := map[string]int{"a": 30, "b": 10, "c": 0, "d": 20}
	id := map[string]string{}
	for name, due := range want {
		r := f.newRotation(f.key(acme.ID, name))
		if due > 0 {
			r.DueAt = at(due)
		}
		id[name] = r.ID
		f.update(func(tx store.Tx) error { return tx.AddRotation(r) })
	}
	for _, tt := range []struct {
		now, limit int
		want       []string
	}{
		{9, 10, nil}, {10, 10, []string{"b"}}, {29, 10, []string{"b", "d"}}, {99, 10, []string{"b", "d", "a"}}, {99, 2, []string{"b", "d"}},
	} {
		var got, names []string
		f.view(func(tx store.Tx) error {
			list, err := tx.DueRotations(at(tt.now), tt.limit)
			for _, r := range list {
				got = append(got, r.ID)
			}
			return err
		})
		for _, name := range tt.want {
			names = append(names, id[name])
		}
		f.equal(fmt.Sprint("due at ", tt.now), got, names)
	}
}

func testSecretsChange(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	old := sha256.Sum256([]byte(k.ID))
	next := store.NewSecret{
		KeyID: k.ID, Version: 2, State: store.StateNext, Hint: "kf_…next", Digest: sha256.Sum256([]byte("next")), PepperID: "p1", CreatedAt: at(60),
	}
	f.update(func(tx store.Tx) error { return tx.AddSecret(next) })
	first := k.Secrets[0]
	k.Secrets = []store.Secret{first, shownSecret(next)}
	f.equal("with a next secret", f.getKey(acme.ID, k.ID), k)
	again := next
	again.Version = 3
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddSecret(again) })

	promoted := k.Secrets[1]
	promoted.State = store.StateCurrent
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.ChangeSecret(promoted, store.StateNext) }) // one is current
	first.State, first.ExpiresAt = store.StateRetiring, at(99)
	f.update(func(tx store.Tx) error {
		if err := tx.ChangeSecret(first, store.StateCurrent); err != nil {
			return err
		}
		return tx.ChangeSecret(promoted, store.StateNext)
	})
	f.updateErr(store.ErrConflict, func(tx store.Tx) error { return tx.ChangeSecret(promoted, store.StateNext) })
	k.Secrets = []store.Secret{first, promoted}
	f.equal("promoted", f.getKey(acme.ID, k.ID), k)

	f.update(func(tx store.Tx) error { return tx.RetireSecret(k.ID, 1, at(98)) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.RetireSecret(k.ID, 1, at(98)) })
	k.Secrets = []store.Secret{promoted}
	f.equal("retired", f.getKey(acme.ID, k.ID), k)
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.KeyByDigest(old); return err })
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.SealedSecret(k.ID, 1); return err })
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, _, err := tx.RetiredByDigest(next.Digest); return err })
	f.view(func(tx store.Tx) error {
		h, s, err := tx.RetiredByDigest(old)
		f.equal("holder", h, store.Holder{Org: acme, Key: k, Version: 1})
		f.equal("secret", s, store.Secret{
			KeyID: k.ID, Version: 1, State: store.StateRetired, Hint: first.Hint, CreatedAt: first.CreatedAt, ExpiresAt: at(98),
		})
		return err
	})
	f.view(func(tx store.Tx) error {
		n, err := tx.LastVersion(k.ID)
		f.equal("last version", n, 2)
		return err
	})
	f.update(func(tx store.Tx) error { return tx.RetireSecret(k.ID, 2, at(99)) })
	f.view(func(tx store.Tx) error {
		n, err := tx.LastVersion(k.ID)
		f.equal("last version of retired ones", n, 2)
		return err
	})
}

// testRetiredUse: a use that is written after its secret was retired is the key's all the same.
func testRetiredUse(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	idle := f.key(acme.ID, "idle")
	f.update(func(tx store.Tx) error {
		if err := tx.AddSecret(store.NewSecret{
			KeyID: k.ID, Version: 2, State: store.StateNext, Digest: sha256.Sum256([]byte("next")), PepperID: "p1", CreatedAt: at(2),
		}); err != nil {
			return err
		}
		return tx.RetireSecret(k.ID, 1, at(50))
	})
	for _, second := range []int{49, 48} {
		f.update(func(tx store.Tx) error {
			return tx.RecordUses([]store.KeyUse{{KeyID: k.ID, Secrets: []store.SecretUse{{Version: 1, At: at(second)}}}})
		})
	}
	f.equal("the key's last use", f.getKey(acme.ID, k.ID).LastUsedAt, at(49))
	f.view(func(tx store.Tx) error {
		_, s, err := tx.RetiredByDigest(sha256.Sum256([]byte(k.ID)))
		f.equal("the secret's last use", s.LastUsedAt, at(49))
		return err
	})
	f.update(func(tx store.Tx) error {
		return tx.RecordUses([]store.KeyUse{{KeyID: idle.ID, Secrets: []store.SecretUse{{Version: 1, At: at(40)}}}})
	})
	next := k.Secrets[0]
	next.Version, next.State = 2, store.StateCurrent
	f.update(func(tx store.Tx) error { return tx.ChangeSecret(next, store.StateNext) })
	f.view(func(tx store.Tx) error {
		active, err := tx.ActiveKey(acme.ID, at(60))
		f.equal("active, whose secret has a sealed copy", active.ID, idle.ID)
		return err
	})
}

func testRotationOfDeletedKey(_ *testing.T, f *fixture) {
	k := f.key(f.org("acme").ID, "ci")
	r := f.newRotation(k)
	r.Sealed = []byte("sealed")
	f.update(func(tx store.Tx) error {
		if err := tx.AddRotation(r); err != nil {
			return err
		}
		return tx.DeleteKey(k, at(9))
	})
	r.Sealed = nil
	f.view(func(tx store.Tx) error {
		got, err := tx.Rotation(k.ID, r.ID)
		f.equal("rotation", got, r)
		return err
	})
}
