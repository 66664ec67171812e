package storetest

import (
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
	f.update(func(tx store.Tx) error { return tx.RemoveMaterial(want[0].Kind, want[0].ID) })
	f.view(read)
	f.equal("without the first", got, want[1:])
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.RemoveMaterial(want[0].Kind, want[0].ID) })
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
		orgs, err := tx.Orgs("", 1)
		f.equal("first org", orgs, []store.Org{acme})
		f.equal("error", err, nil)
		orgs, err = tx.Orgs(acme.ID, 9)
		f.equal("orgs after it", orgs, []store.Org{beta})
		return err
	})
	wrapped := acme
	wrapped.DataKey, wrapped.MasterKeyID = []byte{7}, "m2"
	f.update(func(tx store.Tx) error { return tx.UpdateOrgKey(wrapped, acme.MasterKeyID) })
	f.updateErr(store.ErrConflict, func(tx store.Tx) error { return tx.UpdateOrgKey(acme, acme.MasterKeyID) })
	f.view(func(tx store.Tx) error {
		got, err := tx.Org(acme.ID)
		f.equal("org with another data key", got, wrapped)
		return err
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
