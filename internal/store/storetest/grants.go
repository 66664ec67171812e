package storetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// newGrant returns a pending device grant that is not added yet; its digest is that of its user code.
func newGrant(id, code, address string, expires int) store.NewDeviceGrant {
	return store.NewDeviceGrant{
		DeviceGrant: store.DeviceGrant{
			ID: id, UserCode: code, State: store.GrantPending, Client: "keyfob 1.0", Host: "a\"b é", Address: address,
			CreatedAt: at(0), ExpiresAt: at(expires),
		},
		Digest: sha256.Sum256([]byte(code)), PepperID: "p1",
	}
}

func (f *fixture) grant(g store.NewDeviceGrant) {
	f.Helper()
	f.update(func(tx store.Tx) error { return tx.AddDeviceGrant(g) })
}

func (f *fixture) checkGrant(want store.DeviceGrant) {
	f.Helper()
	f.view(func(tx store.Tx) error {
		byDigest, err := tx.DeviceGrantByDigest(sha256.Sum256([]byte(want.UserCode)))
		f.equal("by digest", byDigest, want)
		byCode, err2 := tx.DeviceGrantByUserCode(want.UserCode)
		f.equal("by user code", byCode, want)
		f.equal("errors", []error{err, err2}, make([]error, 2))
		return nil
	})
}

func testGrants(_ *testing.T, f *fixture) {
	ada := f.user("ada")
	g := newGrant("dev_1", "BCDFGHJK", "192.0.2.1", 600)
	f.grant(g)
	f.checkGrant(g.DeviceGrant)
	for what, change := range map[string]func(*store.NewDeviceGrant){
		"id":        func(o *store.NewDeviceGrant) { o.ID = g.ID },
		"user code": func(o *store.NewDeviceGrant) { o.UserCode = g.UserCode },
		"digest":    func(o *store.NewDeviceGrant) { o.Digest = g.Digest },
	} {
		other := newGrant("dev_2", "LMNPQRST", "192.0.2.1", 600)
		other.Host = what
		change(&other)
		f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddDeviceGrant(other) })
	}
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.DeviceGrantByUserCode("bcdfghjk"); return err },
		func(tx store.Tx) error { _, err := tx.DeviceGrantByUserCode(""); return err },
		func(tx store.Tx) error { _, err := tx.DeviceGrantByDigest(sha256.Sum256(nil)); return err },
	} {
		f.viewErr(store.ErrNotFound, missing)
	}

	// Of a grant, state, user, last poll and sealed token change, and nothing else.
	want, other := g.DeviceGrant, newGrant("dev_3", "VWXZBCDF", "192.0.2.1", 600)
	f.grant(other)
	for _, step := range []struct {
		from, to, user string
		polled         int
		sealed         []byte
	}{
		{store.GrantPending, store.GrantPending, "", 2, nil},
		{store.GrantPending, store.GrantApproved, ada.ID, 2, nil},
		{store.GrantApproved, store.GrantUsed, ada.ID, 4, []byte("\x00sealed")},
	} {
		want.State, want.UserID, want.PolledAt, want.Sealed = step.to, step.user, at(step.polled), step.sealed
		written := want
		written.UserCode, written.Client, written.Address, written.ExpiresAt = "X", "X", "X", at(9999)
		f.update(func(tx store.Tx) error { return tx.UpdateDeviceGrant(written, step.from) })
		f.checkGrant(want)
	}
	for _, stale := range []string{store.GrantPending, store.GrantApproved, store.GrantDenied, ""} {
		f.updateErr(store.ErrConflict, func(tx store.Tx) error {
			changed := want
			changed.State, changed.UserID = store.GrantApproved, ""
			return tx.UpdateDeviceGrant(changed, stale)
		})
	}
	f.updateErr(store.ErrConflict, func(tx store.Tx) error {
		return tx.UpdateDeviceGrant(store.DeviceGrant{ID: "dev_9", State: store.GrantUsed}, store.GrantPending)
	})
	f.checkGrant(want)
	f.checkGrant(other.DeviceGrant)
}

func testGrantsCounted(_ *testing.T, f *fixture) {
	const here, there = "192.0.2.1", "2001:db8::1"
	f.grant(newGrant("dev_1", "1", here, 10))
	f.grant(newGrant("dev_2", "2", here, 11))
	f.grant(newGrant("dev_3", "3", there, 12))
	used := newGrant("dev_4", "4", here, 13)
	used.State = store.GrantUsed
	f.grant(used)
	for _, tt := range []struct {
		address   string
		now, want int
	}{
		{"", 0, 4},
		{"", 10, 3},
		{"", 12, 1},
		{"", 13, 0},
		{here, 9, 3},
		{here, 10, 2},
		{here, 11, 1},
		{here, 13, 0},
		{there, 11, 1},
		{there, 12, 0},
		{"192.0.2._", 0, 0},
	} {
		f.view(func(tx store.Tx) error {
			n, err := tx.CountDeviceGrants(tt.address, at(tt.now))
			f.equal("grants of "+tt.address, n, tt.want)
			return err
		})
	}
}

func testGrantsPruned(_ *testing.T, f *fixture) {
	codes := []string{"a", "b", "c", "d"}
	for i, code := range codes {
		g := newGrant("dev_"+code, code, "192.0.2.1", 10+i)
		g.State = []string{store.GrantPending, store.GrantUsed, store.GrantDenied, store.GrantApproved}[i]
		f.grant(g)
	}
	f.pruneSteps(codes, func(tx store.Tx, code string) error {
		_, err := tx.DeviceGrantByUserCode(code)
		return err
	}, []pruneStep{
		{store.Age{Grants: at(10).Add(-time.Microsecond), Ended: at(9999), Tries: at(9999)}, 100, 0, codes},
		{store.Age{Grants: at(10)}, 100, 1, []string{"b", "c", "d"}},
		{store.Age{Grants: at(99)}, 2, 2, []string{"d"}},
		{store.Age{Grants: at(99)}, 100, 1, []string{}},
	})
	f.grant(newGrant("dev_e", "a", "192.0.2.1", 99)) // the code is free again
}

// testParallelGrant polls one approved grant from many at once: one of them gets the session.
func testParallelGrant(t *testing.T, f *fixture) {
	ada := f.user("ada")
	g := newGrant("dev_1", "BCDFGHJK", "192.0.2.1", 600)
	f.grant(g)
	decide := func(n int) store.DeviceGrant {
		mine := g.DeviceGrant
		mine.State, mine.UserID = []string{store.GrantApproved, store.GrantDenied}[n%2], ada.ID
		return mine
	}
	oneWon(t, race(func(n int) error {
		return f.store.Update(t.Context(), func(tx store.Tx) error { return tx.UpdateDeviceGrant(decide(n), store.GrantPending) })
	}), store.ErrConflict)

	again := newGrant("dev_2", "LMNPQRST", "192.0.2.1", 600)
	again.State, again.UserID = store.GrantApproved, ada.ID
	f.grant(again)
	oneWon(t, race(func(n int) error {
		var seen store.DeviceGrant
		err := f.store.View(t.Context(), func(tx store.Tx) (err error) {
			seen, err = tx.DeviceGrantByDigest(again.Digest)
			return err
		})
		if err != nil {
			return err
		}
		from := seen.State
		if from == store.GrantUsed { // another was quicker
			return store.ErrConflict
		}
		seen.State = store.GrantUsed
		return f.store.Update(t.Context(), func(tx store.Tx) error {
			if err := tx.AddSession(newSession("ses_"+string(rune('a'+n)), ada.ID, n)); err != nil {
				return err
			}
			return tx.UpdateDeviceGrant(seen, from)
		})
	}), store.ErrConflict)
	f.equal("number of sessions", len(f.sessions(ada.ID)), 1)
}

func testTries(_ *testing.T, f *fixture) {
	read := func(kind, subject string) (got store.Tries, err error) {
		err = f.store.View(f.Context(), func(tx store.Tx) (err error) {
			got, err = tx.Tries(kind, subject)
			return err
		})
		return got, err
	}
	want := func(c store.Tries) {
		f.Helper()
		got, err := read(c.Kind, c.Subject)
		f.equal("tries", got, c)
		f.equal("error", err, nil)
	}
	put := func(c store.Tries) {
		f.Helper()
		f.update(func(tx store.Tx) error { return tx.PutTries(c) })
		want(c)
	}
	account := store.Tries{Kind: "account", Subject: "usr_1", Count: 1, Since: at(1)}
	address := store.Tries{Kind: "address", Subject: "usr_1", Count: 30, Since: at(2)}
	put(account)
	put(address)
	account.Count, account.Since = 5, at(3)
	put(account)
	account.Count, account.Since = 1, at(0) // backwards too
	put(account)
	want(address)
	for range 2 {
		f.update(func(tx store.Tx) error { return tx.ForgetTries(account.Kind, account.Subject) })
	}
	want(address)
	for _, missing := range [][2]string{{"account", "usr_1"}, {"address", "usr_2"}, {"", ""}} {
		f.viewErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Tries(missing[0], missing[1]); return err })
	}
}

func testTriesPruned(_ *testing.T, f *fixture) {
	subjects := []string{"a", "b", "c", "d"}
	for i, subject := range subjects {
		f.update(func(tx store.Tx) error {
			return tx.PutTries(store.Tries{Kind: "account", Subject: subject, Count: 1, Since: at(10 + i)})
		})
	}
	f.pruneSteps(subjects, func(tx store.Tx, subject string) error {
		_, err := tx.Tries("account", subject)
		return err
	}, []pruneStep{
		{store.Age{Tries: at(10), Ended: at(9999), Grants: at(9999)}, 100, 0, subjects},
		{store.Age{Tries: at(11)}, 100, 1, []string{"b", "c", "d"}},
		{store.Age{Tries: at(99)}, 2, 2, []string{"d"}},
		{store.Age{Tries: at(99)}, 100, 1, []string{}},
	})
}
