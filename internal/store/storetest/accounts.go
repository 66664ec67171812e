package storetest

import (
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

// user adds a user without e-mail address, password and identity.
func (f *fixture) user(name string) store.User {
	f.Helper()
	u := store.User{ID: "usr_" + name, Name: name, CreatedAt: at(0)}
	f.update(func(tx store.Tx) error { return tx.AddUser(u) })
	return u
}

func testUsers(_ *testing.T, f *fixture) {
	anyUser := func() (found bool) {
		f.view(func(tx store.Tx) (err error) {
			found, err = tx.AnyUser()
			return err
		})
		return found
	}
	f.equal("a user in an empty store", anyUser(), false)
	f.user("nobody")
	f.user("nobody else") // nor do two without an address and an identity get in each other's way
	f.equal("a user", anyUser(), true)
	ada := store.User{
		ID: "usr_1", Name: "Ada", Email: "ada@straße.example", Password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
		Issuer: "https://id.example/", Subject: "42", CreatedAt: at(1),
	}
	bo := store.User{ID: "usr_2", Name: "Bo", Email: "bo@example.com", Issuer: "https://other.example/", Subject: "42", CreatedAt: at(2)}
	f.update(func(tx store.Tx) error {
		if err := tx.AddUser(ada); err != nil {
			return err
		}
		return tx.AddUser(bo)
	})
	f.checkUser(ada)
	f.checkUser(bo)
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.UserByEmail(""); return err },
		func(tx store.Tx) error { _, err := tx.UserByEmail("Bo@example.com"); return err },
		func(tx store.Tx) error { _, err := tx.UserByEmail("bo@example.co_"); return err },
		func(tx store.Tx) error { _, err := tx.UserByIdentity("", ""); return err },
		func(tx store.Tx) error { _, err := tx.UserByIdentity(bo.Issuer, "4"); return err },
		func(tx store.Tx) error { _, err := tx.UserByIdentity("https://third.example/", "42"); return err },
	} {
		f.viewErr(store.ErrNotFound, missing)
	}
	for _, u := range []store.User{
		{ID: "usr_1", Name: "the same id"},
		{ID: "usr_3", Name: "the same address", Email: ada.Email},
		{ID: "usr_3", Name: "the same identity", Issuer: bo.Issuer, Subject: bo.Subject},
	} {
		f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddUser(u) })
	}
}

func (f *fixture) checkUser(want store.User) {
	f.Helper()
	f.view(func(tx store.Tx) error {
		byID, err := tx.User(want.ID)
		f.equal("user", byID, want)
		byEmail, err2 := tx.UserByEmail(want.Email)
		f.equal("user by e-mail address", byEmail, want)
		byIdentity, err3 := tx.UserByIdentity(want.Issuer, want.Subject)
		f.equal("user by identity", byIdentity, want)
		f.equal("errors", []error{err, err2, err3}, make([]error, 3))
		return nil
	})
}

func testUserUpdates(_ *testing.T, f *fixture) {
	ada, bo := f.user("ada"), f.user("bo")
	ada.Name, ada.Email, ada.Password, ada.Issuer, ada.Subject = "Ada L", "ada@example.com", "$argon2id$", "https://id.example/", "1"
	bo.Email, bo.Issuer, bo.Subject = "bo@example.com", "https://id.example/", "2"
	for _, u := range []store.User{ada, bo} {
		later := u
		later.CreatedAt = at(9) // stays
		f.update(func(tx store.Tx) error { return tx.UpdateUser(later) })
		f.checkUser(u)
	}
	f.update(func(tx store.Tx) error { return tx.UpdateUser(ada) }) // its own address is not taken
	taken := bo
	taken.Email = ada.Email
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.UpdateUser(taken) })
	taken = bo
	taken.Subject = ada.Subject
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.UpdateUser(taken) })
	f.checkUser(bo)
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.UpdateUser(store.User{ID: "usr_9", Name: "N"}) })

	bare := store.User{ID: ada.ID, Name: "Ada", CreatedAt: ada.CreatedAt}
	f.update(func(tx store.Tx) error { return tx.UpdateUser(bare) })
	f.view(func(tx store.Tx) error {
		got, err := tx.User(ada.ID)
		f.equal("without address, password and identity", got, bare)
		return err
	})
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.UserByEmail(ada.Email); return err })
	bo.Email, bo.Subject = ada.Email, ada.Subject
	f.update(func(tx store.Tx) error { return tx.UpdateUser(bo) }) // both are free
	f.checkUser(bo)
}

func testMembers(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	ada, bo, cy := f.user("ada"), f.user("bo"), f.user("cy")
	ada.Email, ada.Issuer, ada.Subject, ada.Password = "ada@example.com", "https://id.example/", "1", "$argon2id$"
	f.update(func(tx store.Tx) error { return tx.UpdateUser(ada) })
	member := func(org store.Org, u store.User, role string, joined int) store.Member {
		m := store.Member{Membership: store.Membership{OrgID: org.ID, UserID: u.ID, Role: role, CreatedAt: at(joined)}, User: u}
		f.update(func(tx store.Tx) error { return tx.AddMembership(m.Membership) })
		return m
	}
	members := func(org store.Org) (list []store.Member) {
		f.view(func(tx store.Tx) (err error) {
			list, err = tx.Members(org.ID)
			return err
		})
		return list
	}
	second, third, first := member(acme, bo, "owner", 2), member(acme, ada, "member", 3), member(acme, cy, "viewer", 1)
	other := member(beta, ada, "admin", 4)
	f.equal("by when they joined", members(acme), []store.Member{first, second, third})
	f.equal("of nothing", members(store.Org{ID: "org_9"}), []store.Member{})

	change := third.Membership
	change.Role, change.CreatedAt = "owner", at(99)
	f.update(func(tx store.Tx) error { return tx.UpdateMembership(change) })
	third.Role = "owner"
	f.equal("with a new role", members(acme), []store.Member{first, second, third})
	f.equal("in another org", members(beta), []store.Member{other})

	f.update(func(tx store.Tx) error { return tx.RemoveMembership(acme.ID, bo.ID) })
	f.equal("without one", members(acme), []store.Member{first, third})
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { return tx.RemoveMembership(acme.ID, bo.ID) },
		func(tx store.Tx) error { return tx.RemoveMembership(beta.ID, cy.ID) },
		func(tx store.Tx) error { return tx.UpdateMembership(second.Membership) },
		func(tx store.Tx) error { _, err := tx.Membership(acme.ID, bo.ID); return err },
	} {
		f.updateErr(store.ErrNotFound, missing)
	}
	f.view(func(tx store.Tx) error {
		user, err := tx.User(bo.ID)
		f.equal("the user stays", user, bo)
		owner, err2 := tx.FirstMember(acme.ID, "owner")
		f.equal("first owner", owner, ada)
		f.equal("errors", []error{err, err2}, make([]error, 2))
		return nil
	})
	back := member(acme, bo, "viewer", 5)
	f.equal("once more", members(acme), []store.Member{first, third, back})
}
