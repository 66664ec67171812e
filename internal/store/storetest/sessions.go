package storetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// newSession returns a session that is not added yet; its digest is that of its id.
func newSession(id, userID string, created int) store.NewSession {
	return store.NewSession{
		Session: store.Session{
			ID: id, UserID: userID, Kind: "cli", Name: "keyfob 1.0", Host: "a\"b é", Hint: "kfs_…" + id, CreatedAt: at(created),
		},
		Digest: sha256.Sum256([]byte(id)), PepperID: "p1",
	}
}

func (f *fixture) session(s store.NewSession) {
	f.Helper()
	f.update(func(tx store.Tx) error { return tx.AddSession(s) })
}

func (f *fixture) sessions(userID string) (list []store.Session) {
	f.Helper()
	f.view(func(tx store.Tx) (err error) {
		list, err = tx.Sessions(userID)
		return err
	})
	return list
}

func testSessions(_ *testing.T, f *fixture) {
	ada := f.user("ada")
	s := newSession("ses_1", ada.ID, 0)
	f.session(s)
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
	f.equal("of the user", f.sessions(ada.ID), []store.Session{want})
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

func testSessionsOfUser(_ *testing.T, f *fixture) {
	acme, ada, bo := f.org("acme"), f.user("ada"), f.user("bo")
	cli, token, browser := newSession("ses_3", ada.ID, 1), newSession("ses_2", ada.ID, 2), newSession("ses_1", ada.ID, 2)
	token.Kind, token.Name, token.OrgID, token.ExpiresAt = "token", "ci", acme.ID, at(500)
	token.Permissions = []string{"keys:rotate", `keys:"read"`}
	browser.Kind, browser.Name, browser.Host, browser.ExpiresAt = "browser", "", "", at(1)
	cli.FirstUseBy = at(9)
	for _, s := range []store.NewSession{cli, token, browser, newSession("ses_4", bo.ID, 0), newSession("ses_5", ada.ID, 0)} {
		f.session(s)
	}
	f.update(func(tx store.Tx) error { return tx.EndSession("ses_5", at(3)) })
	// One that expired is listed: the domain decides what has ended.
	f.equal("oldest first", f.sessions(ada.ID), []store.Session{cli.Session, browser.Session, token.Session})
	f.equal("of nobody", f.sessions("usr_9"), []store.Session{})
	f.view(func(tx store.Tx) error {
		got, user, err := tx.SessionByDigest(token.Digest)
		f.equal("token", got, token.Session)
		f.equal("user", user, ada)
		return err
	})
	unknown := newSession("ses_6", ada.ID, 0)
	unknown.OrgID = "org_9"
	if err := f.store.Update(f.Context(), func(tx store.Tx) error { return tx.AddSession(unknown) }); err == nil {
		f.Error("a session opens an org that is unknown")
	}
}

func testSessionsPruned(_ *testing.T, f *fixture) {
	ada := f.user("ada")
	add := func(id string, expires, ended time.Time) {
		s := newSession(id, ada.ID, 0)
		s.ExpiresAt = expires
		f.session(s)
		if !ended.IsZero() {
			f.update(func(tx store.Tx) error { return tx.EndSession(id, ended) })
		}
	}
	var never time.Time
	add("lives", never, never)
	f.update(func(tx store.Tx) error { return tx.TouchSession("lives", at(50), at(50)) })
	add("idle", never, never)
	f.update(func(tx store.Tx) error { return tx.TouchSession("idle", at(20), at(20)) })
	add("never used", never, never)
	add("ended 10", never, at(10))
	add("ended 11", never, at(11))
	add("expires 10", at(10), never)
	add("expires 11", at(11), never)
	add("ended 10, would expire", at(900), at(10))
	add("ended after it expired", at(10), at(900))
	ids := []string{"lives", "idle", "never used", "ended 10", "ended 11", "expires 10", "expires 11", "ended 10, would expire", "ended after it expired"}
	f.pruneSteps(ids, func(tx store.Tx, id string) error {
		_, _, err := tx.SessionByDigest(sha256.Sum256([]byte(id)))
		return err
	}, []pruneStep{
		{store.Age{Ended: at(10)}, 100, 0, ids},
		{store.Age{Ended: at(10).Add(time.Microsecond)}, 3, 3, nil},
		{store.Age{Ended: at(11)}, 100, 1, []string{"lives", "idle", "never used", "ended 11", "expires 11"}},
		{
			store.Age{Ended: at(11), Grants: at(9999), Tries: at(9999), Callers: at(9999), Answers: at(9999), Idle: at(0)},
			100, 0,
			[]string{"lives", "idle", "never used", "ended 11", "expires 11"},
		},
		{store.Age{Ended: at(9999)}, 100, 2, []string{"lives", "idle", "never used"}},
		{store.Age{Idle: at(20)}, 100, 1, []string{"lives", "idle"}}, // it was made before
		{store.Age{Idle: at(20).Add(time.Microsecond)}, 100, 1, []string{"lives"}},
		{store.Age{Ended: at(9999), Idle: at(50)}, 100, 0, []string{"lives"}},
	})
}
