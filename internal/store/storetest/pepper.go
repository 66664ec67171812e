package storetest

import (
	"crypto/sha256"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

// peppered has rows of each kind under the pepper "p1": of an org two keys with a sealed copy, one without, one that is deleted, and a
// retired secret.
func peppered(f *fixture) (keys []store.NewSecret) {
	acme := f.org("acme")
	for _, name := range []string{"a", "b", "unsealed", "deleted"} {
		k, s := f.newKey(acme.ID, name)
		if name == "unsealed" {
			s.Sealed = nil
		}
		f.update(func(tx store.Tx) error { return tx.AddKey(k, s) })
		keys = append(keys, s)
		if name == "deleted" {
			f.update(func(tx store.Tx) error { return tx.DeleteKey(k, at(50)) })
		}
	}
	old := keys[0]
	old.Version, old.State, old.Digest = 2, store.StateNext, sha256.Sum256([]byte("retired"))
	f.update(func(tx store.Tx) error { return tx.AddSecret(old) })
	f.update(func(tx store.Tx) error { return tx.RetireSecret(old.KeyID, 2, at(90)) })
	return append(keys, old)
}

func testSealedUnderOthers(_ *testing.T, f *fixture) {
	keys := peppered(f)
	sealed := func(s store.NewSecret) store.SealedSecret {
		return store.SealedSecret{
			KeyPlace: store.KeyPlace{KeyID: s.KeyID, Version: s.Version}, OrgID: "org_acme", Digest: s.Digest, PepperID: s.PepperID, Sealed: s.Sealed,
		}
	}
	for _, tt := range []struct {
		name, pepper string
		after        store.KeyPlace
		limit        int
		want         []store.SealedSecret
	}{
		{"all", "p2", store.KeyPlace{}, 10, []store.SealedSecret{sealed(keys[0]), sealed(keys[1])}},
		{"a page", "p2", store.KeyPlace{}, 1, []store.SealedSecret{sealed(keys[0])}},
		{"the next", "p2", store.KeyPlace{KeyID: keys[0].KeyID, Version: 1}, 10, []store.SealedSecret{sealed(keys[1])}},
		{"under that pepper", "p1", store.KeyPlace{}, 10, nil},
	} {
		f.view(func(tx store.Tx) error {
			got, err := tx.SealedUnderOthers(tt.pepper, tt.after, tt.limit)
			f.equal(tt.name, got, tt.want)
			return err
		})
	}
}

// testMoves: a secret is found by its new digest alone, and all else of it stays.
func testMoves(_ *testing.T, f *fixture) {
	keys := peppered(f)
	move := func(s store.NewSecret) store.Move {
		return store.Move{From: s.Digest, To: sha256.Sum256(append([]byte("moved "), s.Digest[:]...))}
	}
	a, retired := move(keys[0]), move(keys[4])
	before := f.getKey("org_acme", keys[0].KeyID)
	var counted [2]store.KeyChanges
	count := func(i int) {
		f.view(func(tx store.Tx) (err error) {
			counted[i], err = tx.KeyChanges()
			return err
		})
	}
	count(0)
	f.update(func(tx store.Tx) error {
		n, err := tx.MoveSecrets("p2", []store.Move{a, retired, {From: [32]byte{1}, To: [32]byte{2}}})
		f.equal("moved", n, 2)
		return err
	})
	count(1)
	if counted[1].Changed <= counted[0].Changed || counted[1].Added <= counted[0].Added {
		f.Errorf("counted %v before, %v after", counted[0], counted[1])
	}
	f.update(func(tx store.Tx) error { // as one that was done already
		n, err := tx.MoveSecrets("p2", []store.Move{a, retired})
		f.equal("moved again", n, 0)
		return err
	})
	f.update(func(tx store.Tx) error {
		n, err := tx.MoveSecrets("p2", nil)
		f.equal("nothing moved", n, 0)
		return err
	})
	count(0)
	f.equal("counts when nothing was moved", counted[0], counted[1])
	f.equal("the key", f.getKey("org_acme", keys[0].KeyID), before)
	f.view(func(tx store.Tx) error {
		h, err := tx.KeyByDigest(a.To)
		f.equal("its key", h.Key.ID, keys[0].KeyID)
		if err != nil {
			return err
		}
		h, _, err = tx.RetiredByDigest(retired.To)
		f.equal("its key", h.Key.ID, keys[4].KeyID)
		return err
	})
	for _, gone := range [][32]byte{a.From, retired.From} {
		f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
			_, err := tx.KeyByDigest(gone)
			return err
		})
		f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
			_, _, err := tx.RetiredByDigest(gone)
			return err
		})
	}
	f.view(func(tx store.Tx) error {
		log, err := tx.ChangesSince(counted[1].Changed-1, 10)
		if err == nil { // one that keeps a log: of a move there is one entry, of any key
			log[0].At = at(0)
			f.equal("the log", log, []store.Change{{N: counted[1].Changed, Kind: store.ChangeDigests, At: at(0)}})
		}
		return nil
	})
}

func testPepperUses(_ *testing.T, f *fixture) {
	keys := peppered(f)
	f.update(func(tx store.Tx) error { return tx.AddUser(store.User{ID: "usr_1", Name: "Ada", CreatedAt: at(1)}) })
	session := store.NewSession{
		Session: store.Session{ID: "ses_1", UserID: "usr_1", Kind: "cli", CreatedAt: at(1)}, Digest: [32]byte{7}, PepperID: "p1",
	}
	over := session
	over.ID, over.Digest, over.ExpiresAt = "ses_2", [32]byte{8}, at(100)
	f.update(func(tx store.Tx) error { return tx.AddSession(session) })
	f.update(func(tx store.Tx) error { return tx.AddSession(over) })
	unused := session
	unused.ID, unused.Digest, unused.FirstUseBy = "ses_3", [32]byte{13}, at(99)
	f.update(func(tx store.Tx) error { return tx.AddSession(unused) })
	f.update(func(tx store.Tx) error {
		return tx.AddInvitation(store.NewInvitation{
			Invitation: store.Invitation{ID: "inv_1", Kind: "first", CreatedAt: at(1), ExpiresAt: at(150)}, Digest: [32]byte{9}, PepperID: "p1",
		})
	})
	f.update(func(tx store.Tx) error {
		return tx.AddDeviceGrant(store.NewDeviceGrant{
			DeviceGrant: store.DeviceGrant{ID: "dev_1", UserCode: "BCDF", State: store.GrantPending, CreatedAt: at(1), ExpiresAt: at(150)},
			Digest:      [32]byte{10}, PepperID: "p1",
		})
	})
	uses := func(pepper string, now, retired int, want ...store.PepperUse) {
		f.Helper()
		f.view(func(tx store.Tx) error {
			got, err := tx.PepperUses(pepper, at(now), at(retired))
			f.equal("uses", got, want)
			return err
		})
	}
	uses("p1", 99, 90, store.PepperUse{Kind: store.UseGrant, Rows: 1}, store.PepperUse{Kind: store.UseInvitation, Rows: 1},
		store.PepperUse{Kind: store.UseRetired, Rows: 1}, store.PepperUse{Kind: store.UseSealed, Rows: 2},
		store.PepperUse{Kind: store.UseSecret, Rows: 1}, store.PepperUse{Kind: store.UseSession, Rows: 2})
	uses("p2", 99, 90)
	f.update(func(tx store.Tx) error {
		_, err := tx.MoveSecrets("p2", []store.Move{{From: keys[1].Digest, To: [32]byte{11}}})
		return err
	})
	f.update(func(tx store.Tx) error {
		return tx.MoveSession("p2", store.Move{From: session.Digest, To: [32]byte{12}})
	})
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error {
		return tx.MoveSession("p2", store.Move{From: session.Digest, To: [32]byte{12}})
	})
	f.view(func(tx store.Tx) error {
		s, _, err := tx.SessionByDigest([32]byte{12})
		f.equal("the session", s, session.Session)
		return err
	})
	uses("p1", 200, 91, store.PepperUse{Kind: store.UseSealed, Rows: 1}, store.PepperUse{Kind: store.UseSecret, Rows: 1})
	uses("p2", 200, 91, store.PepperUse{Kind: store.UseSealed, Rows: 1}, store.PepperUse{Kind: store.UseSession, Rows: 1})
}

// testPepperCounted: another pepper is counted as a change; another master key is none.
func testPepperCounted(t *testing.T, f *fixture) {
	count := func() (n store.KeyChanges) {
		f.view(func(tx store.Tx) (err error) {
			n, err = tx.KeyChanges()
			return err
		})
		return n
	}
	for _, tt := range []struct {
		kind    string
		counted bool
	}{{store.MaterialMasterKey, false}, {store.MaterialPepper, true}} {
		for _, fn := range []func(store.Tx) error{
			func(tx store.Tx) error {
				return tx.AddMaterial(store.Material{Kind: tt.kind, ID: "aa", AddedAt: at(1)})
			},
			func(tx store.Tx) error { return tx.RemoveMaterial(tt.kind, "aa") },
		} {
			before := count()
			f.update(fn)
			after := count()
			if (after.Changed > before.Changed) != tt.counted || after.Added != before.Added {
				t.Errorf("%s: counted %v before, %v after", tt.kind, before, after)
			}
		}
	}
}
