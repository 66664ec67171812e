package core_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/revoked"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
	"github.com/keyfob/keyfob/pkg/api"
)

// logged is a fixture whose revocations are logged, with a backup of how it was.
type logged struct {
	*fixture
	log  string
	copy string
	at   revoked.Position
}

func newLogged(t *testing.T) *logged {
	t.Helper()
	l := &logged{fixture: fixtureOn(t), log: filepath.Join(t.TempDir(), "revocations.log")}
	l.svc = l.on(l.store)
	var user core.User
	var err error
	l.org, user, err = l.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
	l.must(err)
	l.token, l.owner = l.signIn(user)
	return l
}

// on makes a service with the log on a store.
func (l *logged) on(st store.Store) *core.Service {
	l.Helper()
	log, err := revoked.Open(l.Context(), l.log, l.clock.now)
	l.must(err)
	svc, err := core.New(core.Config{
		Store: revoked.Wrap(st, log, func(err error) { l.Error(err) }), Material: testMaterial(), Now: l.clock.now, Passwords: true,
	})
	l.must(err)
	l.Cleanup(func() { _ = svc.Close(l.Context()) })
	return svc
}

// backup copies the store as it is.
func (l *logged) backup() {
	l.Helper()
	l.copy = filepath.Join(filepath.Dir(l.log), "copy.db")
	l.must(os.WriteFile(l.copy, nil, 0o600))
	l.must(sqlite.Copy(l.Context(), l.db.File(l), l.copy, func(int) (string, error) {
		log, err := revoked.Open(l.Context(), l.log, l.clock.now)
		if err == nil {
			l.at, err = log.Tail(l.Context())
		}
		return "", err
	}))
}

// restore goes on with the copy, and replays what was revoked since, twice: the second time there is nothing left to do.
func (l *logged) restore(want int) {
	l.Helper()
	h, err := revoked.Read(l.log)
	l.must(err)
	list, err := h.After(l.at)
	l.must(err)
	l.db = dbtest.At(l.copy)
	l.store = l.db.Open(l)
	l.svc = l.on(l.store)
	for _, want := range []int{want, 0} {
		got, err := l.svc.Replay(l.Context(), list)
		l.must(err)
		l.equal("replayed", got, want)
	}
}

// TestReplayOfRotations: the old secret of a rotation that went on after the backup does not open again, whatever had been done by
// then, and the key can be rotated.
func TestReplayOfRotations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before   func(r *turn)
		since    func(r *turn)
		old, new bool // what opens after it
		replayed int
		state    api.RotationState // of the rotation; empty: the backup knows none
	}{
		"proven, then retired": {
			func(r *turn) {
				r.step(api.RotationMinted)(r.deliver("a"))
				r.step(api.RotationDelivered)(r.deliver("b"))
				r.opens(r.new, true)
				r.step(api.RotationProven)(r.prove())
			},
			func(r *turn) { r.step(api.RotationRetired)(r.promote(0, api.OnUseCut)) },
			false, true, 2, api.RotationRetired,
		},
		"minted, then retired": {
			func(*turn) {},
			func(r *turn) { r.promoted(0, api.OnUseCut) },
			false, true, 2, api.RotationRetired,
		},
		"promoted, then retired": {
			func(r *turn) { r.promoted(time.Hour, api.OnUseExtend) },
			func(r *turn) { r.step(api.RotationRetired)(r.retire()) },
			false, true, 1, api.RotationRetired,
		},
		"minted, then cancelled": {
			func(*turn) {},
			func(r *turn) { r.step(api.RotationCancelled)(r.cancel(true)) },
			true, false, 1, api.RotationCancelled,
		},
		"minted, then promoted with a grace": {
			func(*turn) {},
			func(r *turn) { r.promoted(time.Minute, api.OnUseCut); r.clock.move(2 * time.Minute) },
			false, true, 1, api.RotationMinted,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogged(t)
			r := l.turn()
			tt.before(r)
			l.backup()
			l.clock.move(time.Second)
			tt.since(r)
			l.restore(tt.replayed)
			r.opens(r.old, tt.old)
			r.opens(r.new, tt.new)
			l.equal("state", r.state(), tt.state)
			l.get("ci")
		})
	}
}

// TestReplayOfARotationThatTheBackupDoesNotKnow: the secret that is in use now is lost, the one before does not open again, and the
// key is rotated to have another.
func TestReplayOfARotationThatTheBackupDoesNotKnow(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	_, old := l.create(core.NewKey{Name: "ci"})
	l.backup()
	opened := l.open("ci", core.NewRotation{Emergency: true})
	l.clock.move(time.Second)
	l.restore(1)
	l.opens(old, false)
	l.opens(opened.Secret, false)
	again := l.open("ci", core.NewRotation{Emergency: true})
	l.opens(again.Secret, true)
	l.opens(old, false)
}

func TestReplayOfPeopleAndTheirSessions(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	l.must(l.store.Update(t.Context(), func(tx store.Tx) error {
		for _, id := range []string{"u_leaver00000000", "u_demoted0000000"} {
			if err := tx.AddUser(store.User{ID: id, Name: id, Email: id + "@example.com", Password: "old", CreatedAt: l.clock.now()}); err != nil {
				return err
			}
			if err := tx.AddMembership(store.Membership{OrgID: l.org.ID, UserID: id, Role: "admin", CreatedAt: l.clock.now()}); err != nil {
				return err
			}
		}
		return tx.AddTrustRule(store.TrustRule{ID: "t_rule", OrgID: l.org.ID, Name: "ci", FoldedName: "ci", Issuer: "https://ci.example", Permissions: []string{"keys:read"}, KeyNames: []string{"*"}, CreatedAt: l.clock.now()})
	}))
	l.backup()
	log, err := revoked.Open(t.Context(), l.log, l.clock.now)
	l.must(err)
	l.must(revoked.Wrap(l.store, log, nil).Update(t.Context(), func(tx store.Tx) error {
		u, err := tx.User("u_demoted0000000")
		l.must(err)
		u.Password = "new"
		l.must(tx.UpdateUser(u))
		l.must(tx.UpdateMembership(store.Membership{OrgID: l.org.ID, UserID: u.ID, Role: "viewer"}))
		l.must(tx.UpdateMembership(store.Membership{OrgID: l.org.ID, UserID: u.ID, Role: "owner"}))
		l.must(tx.RemoveMembership(l.org.ID, "u_leaver00000000"))
		l.must(tx.EndSession(l.owner.Session.ID, l.clock.now()))
		return tx.DeleteTrustRule("t_rule")
	}))
	l.restore(5)
	_, err = l.svc.Authenticate(t.Context(), l.token.Reveal())
	l.refused(err, api.CodeUnauthenticated, "")
	l.must(l.store.View(t.Context(), func(tx store.Tx) error {
		u, err := tx.User("u_demoted0000000")
		l.must(err)
		l.equal("password", u.Password, "")
		m, err := tx.Membership(l.org.ID, u.ID)
		l.must(err)
		l.equal("role", m.Role, "viewer")
		_, err = tx.Membership(l.org.ID, "u_leaver00000000")
		l.is(err, store.ErrNotFound)
		_, err = tx.TrustRule(l.org.ID, "t_rule")
		l.is(err, store.ErrNotFound)
		events, err := tx.Events(l.org.ID, store.EventFilter{Type: "revocation.replayed", Limit: 10})
		l.equal("events", len(events), 2) // the other transactions had no event, and so no org to tell
		return err
	}))
}
