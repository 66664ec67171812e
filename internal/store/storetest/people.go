package storetest

import (
	"crypto/sha256"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

func testMaterial(_ *testing.T, f *fixture) {
	want := []store.Material{
		{Kind: store.MaterialMasterKey, ID: "aa", AddedAt: at(1)},
		{Kind: store.MaterialPepper, ID: "bb", AddedAt: at(2)},
	}
	var got []store.Material
	read := func(tx store.Tx) (err error) {
		got, err = tx.Materials()
		return err
	}
	f.view(read)
	f.equal("an empty store", got, []store.Material{})
	for _, m := range want {
		f.update(func(tx store.Tx) error { return tx.AddMaterial(m) })
	}
	f.view(read)
	f.equal("materials", got, want)
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddMaterial(want[0]) })
}

func testOrgs(_ *testing.T, f *fixture) {
	beta, acme := f.org("beta"), f.org("acme")
	ada := store.User{ID: "usr_1", Name: "Ada", CreatedAt: at(1)}
	bo := store.User{ID: "usr_2", Name: "Bo", CreatedAt: at(2)}
	f.update(func(tx store.Tx) error {
		if err := tx.AddUser(ada); err != nil {
			return err
		}
		return tx.AddUser(bo)
	})
	for _, m := range []store.Membership{
		{OrgID: acme.ID, UserID: bo.ID, Role: "owner", CreatedAt: at(9)},
		{OrgID: acme.ID, UserID: ada.ID, Role: "owner", CreatedAt: at(10)},
		{OrgID: beta.ID, UserID: ada.ID, Role: "viewer", CreatedAt: at(3)},
	} {
		f.update(func(tx store.Tx) error { return tx.AddMembership(m) })
	}
	f.updateErr(store.ErrExists, func(tx store.Tx) error {
		return tx.AddMembership(store.Membership{OrgID: beta.ID, UserID: ada.ID, Role: "owner", CreatedAt: at(3)})
	})
	f.updateErr(store.ErrExists, func(tx store.Tx) error {
		other := acme
		other.ID = "org_other"
		return tx.AddOrg(other)
	})
	f.view(func(tx store.Tx) error {
		byID, err := tx.Org(acme.ID)
		f.equal("org", byID, acme)
		bySlug, err2 := tx.OrgBySlug("acme")
		f.equal("org by slug", bySlug, acme)
		user, err3 := tx.User(ada.ID)
		f.equal("user", user, ada)
		m, err4 := tx.Membership(beta.ID, ada.ID)
		f.equal("membership", m, store.Membership{OrgID: beta.ID, UserID: ada.ID, Role: "viewer", CreatedAt: at(3)})
		all, err5 := tx.MembershipsOf(ada.ID)
		f.equal("memberships by slug", all, []store.OrgMembership{{Org: acme, Role: "owner"}, {Org: beta, Role: "viewer"}})
		none, err6 := tx.MembershipsOf("usr_9")
		f.equal("no memberships", none, []store.OrgMembership{})
		first, err7 := tx.FirstMember(acme.ID, "owner")
		f.equal("first owner", first, bo)
		f.equal("errors", []error{err, err2, err3, err4, err5, err6, err7}, make([]error, 7))
		return nil
	})
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.Org("acme"); return err },
		func(tx store.Tx) error { _, err := tx.OrgBySlug(acme.ID); return err },
		func(tx store.Tx) error { _, err := tx.User("usr_9"); return err },
		func(tx store.Tx) error { _, err := tx.Membership(beta.ID, bo.ID); return err },
		func(tx store.Tx) error { _, err := tx.FirstMember(beta.ID, "owner"); return err },
	} {
		f.viewErr(store.ErrNotFound, missing)
	}
}

func testSessions(_ *testing.T, f *fixture) {
	ada := store.User{ID: "usr_1", Name: "Ada", CreatedAt: at(0)}
	s := store.NewSession{
		Session: store.Session{ID: "ses_1", UserID: ada.ID, Hint: "kfs_…abcd", CreatedAt: at(0)},
		Digest:  sha256.Sum256([]byte("s1")), PepperID: "p1",
	}
	f.update(func(tx store.Tx) error {
		if err := tx.AddUser(ada); err != nil {
			return err
		}
		return tx.AddSession(s)
	})
	same := s
	same.ID = "ses_2"
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddSession(same) })

	want := s.Session
	check := func(what string) {
		f.Helper()
		f.view(func(tx store.Tx) error {
			got, user, err := tx.SessionByDigest(s.Digest)
			f.equal(what, got, want)
			f.equal("user", user, ada)
			return err
		})
	}
	check("new")
	touches := []struct {
		at, ifBefore, want int
	}{{100, 40, 100}, {130, 70, 100}, {160, 100, 160}, {90, 30, 160}} // first, too soon, just late enough, backwards
	for _, touch := range touches {
		f.update(func(tx store.Tx) error { return tx.TouchSession(s.ID, at(touch.at), at(touch.ifBefore)) })
		want.LastUsedAt = at(touch.want)
		check("touched")
	}
	for _, refusal := range []struct {
		at, ifBefore int
		first        bool
	}{{170, 100, true}, {180, 169, false}, {230, 170, true}} {
		f.update(func(tx store.Tx) error {
			first, err := tx.RefuseSession(s.ID, at(refusal.at), at(refusal.ifBefore))
			f.equal("is the first", first, refusal.first)
			return err
		})
		if refusal.first {
			want.RefusedAt = at(refusal.at)
		}
		check("refused")
	}
	f.update(func(tx store.Tx) error { return tx.EndSession(s.ID, at(200)) })
	want.EndedAt = at(200)
	check("ended")
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.EndSession(s.ID, at(300)) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.EndSession("ses_9", at(300)) })
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
		_, _, err := tx.SessionByDigest(sha256.Sum256([]byte("s2")))
		return err
	})
}
