package storetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// newInvitation returns an invitation to join an org that is not added yet; its digest is that of its id.
func newInvitation(id, orgID, email string, created, expires int) store.NewInvitation {
	return store.NewInvitation{
		Invitation: store.Invitation{
			ID: id, Kind: "member", OrgID: orgID, Email: email, Role: "viewer", InvitedBy: store.Actor{Type: "user", ID: "usr_1", Name: "Ada"},
			CreatedAt: at(created), ExpiresAt: at(expires),
		},
		Digest: sha256.Sum256([]byte(id)), PepperID: "p1",
	}
}

func (f *fixture) invite(i store.NewInvitation) {
	f.Helper()
	f.update(func(tx store.Tx) error { return tx.AddInvitation(i) })
}

func (f *fixture) invitation(id string) (i store.Invitation) {
	f.Helper()
	f.view(func(tx store.Tx) (err error) {
		i, err = tx.InvitationByDigest(sha256.Sum256([]byte(id)))
		return err
	})
	return i
}

func testInvitations(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	const ada, bo = "ada@example.com", "bo@example.com"
	for _, i := range []store.NewInvitation{
		newInvitation("c", acme.ID, ada, 1, 100),
		newInvitation("b", acme.ID, bo, 2, 101),
		newInvitation("a", acme.ID, "cy@example.com", 2, 102),
		newInvitation("d", beta.ID, ada, 3, 103),
	} {
		f.invite(i)
		f.equal("as added", f.invitation(i.ID), i.Invitation)
	}
	first, password := newInvitation("first", "", "", 0, 500), newInvitation("password", "", ada, 0, 500)
	first.Kind, first.Role, first.InvitedBy, password.Kind = "first", "owner", store.Actor{}, "password"
	for _, i := range []store.NewInvitation{first, password} {
		f.invite(i)
		f.equal("of no org", f.invitation(i.ID), i.Invitation)
	}
	for _, tt := range []struct {
		org, email string
		now        int
		want       []string
	}{
		{acme.ID, "", 0, []string{"c", "a", "b"}},
		{acme.ID, "", 100, []string{"a", "b"}},
		{acme.ID, "", 102, nil},
		{acme.ID, ada, 99, []string{"c"}},
		{acme.ID, ada, 100, nil},
		{acme.ID, "ada@example.co_", 0, nil},
		{beta.ID, bo, 0, nil},
		{"", ada, 0, []string{"c", "d"}}, // of every org, and not those of none
		{"", ada, 100, []string{"d"}},
		{"", "", 0, nil},
		{"org_9", "", 0, nil},
	} {
		var got []string
		f.view(func(tx store.Tx) error {
			list, err := tx.Invitations(tt.org, tt.email, at(tt.now))
			for _, i := range list {
				f.equal("listed", i, f.invitation(i.ID))
				got = append(got, i.ID)
			}
			return err
		})
		f.equal("open invitations "+tt.org+" "+tt.email, got, tt.want)
	}
	same := newInvitation("e", beta.ID, bo, 1, 100)
	same.Digest = sha256.Sum256([]byte("c"))
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddInvitation(same) })
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
		_, err := tx.InvitationByDigest(sha256.Sum256([]byte("e")))
		return err
	})
}

func testInvitationsClosed(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	const ada = "ada@example.com"
	of := func(i store.NewInvitation, kind string) store.NewInvitation {
		i.Kind = kind
		return i
	}
	others := []store.NewInvitation{
		newInvitation("another org", beta.ID, ada, 0, 100),
		newInvitation("another address", acme.ID, "bo@example.com", 0, 100),
		of(newInvitation("another kind", acme.ID, ada, 0, 100), "password"),
		of(newInvitation("no org", "", ada, 0, 100), "member"),
		of(newInvitation("first", "", "", 0, 100), "first"),
	}
	for _, i := range others {
		f.invite(i)
	}
	f.invite(newInvitation("old", acme.ID, ada, 1, 100))
	f.invite(newInvitation("young", acme.ID, ada, 7, 100))
	f.equal("closed by the next", f.invitation("old").ClosedAt, at(7))
	f.invite(newInvitation("youngest", acme.ID, ada, 8, 100))
	f.equal("closed once", f.invitation("old").ClosedAt, at(7))
	f.equal("closed by the next", f.invitation("young").ClosedAt, at(8))
	for _, i := range others {
		f.equal("of "+i.ID, f.invitation(i.ID), i.Invitation)
	}
	f.invite(of(newInvitation("second", "", "", 9, 100), "first"))
	f.equal("of no org and no address", f.invitation("first").ClosedAt, at(9))

	f.update(func(tx store.Tx) error { return tx.CloseInvitation("youngest", at(20)) })
	f.equal("closed", f.invitation("youngest").ClosedAt, at(20))
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.CloseInvitation("youngest", at(21)) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.CloseInvitation("unknown", at(21)) })
	f.update(func(tx store.Tx) error { return tx.CloseInvitation("second", at(999)) }) // expired, and open all the same
	f.view(func(tx store.Tx) error {
		list, err := tx.Invitations(acme.ID, ada, at(0))
		f.equal("open ones", list, []store.Invitation{others[2].Invitation})
		return err
	})
}

func testInvitationsPruned(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	var ids []string
	for _, i := range []struct {
		id              string
		expires, closed int
	}{
		{"open", 900, 0},
		{"expires 10", 10, 0},
		{"closed 10", 900, 10},
		{"closed 11", 900, 11},
		{"closed after it expired", 10, 900},
	} {
		ids = append(ids, i.id)
		f.invite(newInvitation(i.id, acme.ID, i.id, 0, i.expires))
		if i.closed > 0 {
			f.update(func(tx store.Tx) error { return tx.CloseInvitation(i.id, at(i.closed)) })
		}
	}
	f.pruneSteps(ids, func(tx store.Tx, id string) error {
		_, err := tx.InvitationByDigest(sha256.Sum256([]byte(id)))
		return err
	}, []pruneStep{
		{store.Age{Ended: at(10)}, 100, 0, ids},
		{store.Age{Ended: at(10).Add(time.Microsecond)}, 2, 2, nil},
		{store.Age{Ended: at(11)}, 100, 1, []string{"open", "closed 11"}},
		{store.Age{Ended: at(900)}, 100, 1, []string{"open"}},
		{store.Age{Ended: at(901)}, 100, 1, []string{}},
	})
}

func testParallelInvitations(t *testing.T, f *fixture) {
	acme := f.org("acme")
	i := newInvitation("one", acme.ID, "ada@example.com", 0, 100)
	f.invite(i)
	oneWon(t, race(func(n int) error {
		return f.store.Update(t.Context(), func(tx store.Tx) error { return tx.CloseInvitation(i.ID, at(n)) })
	}), store.ErrNotFound)
	for _, err := range race(func(n int) error {
		mine := newInvitation(string(rune('a'+n)), acme.ID, i.Email, 1, 100)
		return f.store.Update(t.Context(), func(tx store.Tx) error { return tx.AddInvitation(mine) })
	}) {
		f.equal("error", err, nil)
	}
	f.view(func(tx store.Tx) error {
		list, err := tx.Invitations(acme.ID, i.Email, at(2))
		f.equal("number of open ones", len(list), 1)
		return err
	})
}
