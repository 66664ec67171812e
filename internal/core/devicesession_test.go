package core_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// approved starts a device, approves it and polls once.
func (f *fixture) approved() (core.DeviceStart, core.SignedIn) {
	f.Helper()
	d := f.device("laptop")
	f.must(f.svc.DecideDevice(f.Context(), f.owner, d.UserCode, true))
	in, err := f.svc.PollDevice(f.Context(), d.DeviceCode)
	f.must(err)
	return d, in
}

// TestLostAnswerIsGivenAgain: a program whose answer was lost gets the same session, of any replica, until it was first used.
func TestLostAnswerIsGivenAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d, in := f.approved()
	before := f.orgEvents(core.ListEvents{})
	for i, svc := range []*core.Service{f.svc, f.service()} {
		f.clock.move(time.Duration(i) * time.Minute)
		again, err := svc.PollDevice(t.Context(), d.DeviceCode)
		f.must(err)
		f.equal("token", again.Token.Reveal(), in.Token.Reveal())
		f.equal("session", again.Session, in.Session)
	}
	f.equal("events", f.orgEvents(core.ListEvents{}), before)
	f.equal("listed", f.sessions(f.owner), []string{"cli keyfob", "cli keyfob"})
	content := f.db.Content(t)
	for what, s := range map[string]string{"token": in.Token.Reveal()[4:], "device code": d.DeviceCode} {
		if bytes.Contains(content, []byte(s)) {
			t.Errorf("the database holds the %s in clear", what)
		}
	}
	f.as(in) // uses it
	f.is(f.poll(d), core.ErrDeviceExpired)
}

// TestNoSessionIsGivenAgain after the person, or time, has ended it.
func TestNoSessionIsGivenAgain(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *fixture, in core.SignedIn){
		"ended": func(f *fixture, in core.SignedIn) {
			f.must(f.svc.EndSessionByID(f.Context(), f.owner, in.Session.ID))
		},
		"signed out everywhere": func(f *fixture, _ core.SignedIn) {
			_, _, err := f.svc.EndSessions(f.Context(), f.owner)
			f.must(err)
		},
		"grant is over": func(f *fixture, _ core.SignedIn) { f.clock.move(10 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			d, in := f.approved()
			end(f, in)
			f.is(f.poll(d), core.ErrDeviceExpired)
		})
	}
}

// TestSessionThatNobodyFetched ends ten minutes after it was made; one that was used in time lives on.
func TestSessionThatNobodyFetched(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, lost := f.approved()
	_, used := f.approved()
	f.clock.move(10*time.Minute - time.Microsecond)
	f.equal("expiry", f.as(used).Session.ExpiresAt, f.clock.now().Truncate(time.Microsecond).Add(core.IdleLimit))
	f.equal("listed", f.sessions(f.owner), []string{"cli keyfob", "cli keyfob", "cli keyfob"})
	f.clock.move(time.Microsecond)
	f.signedOut(lost)
	f.equal("listed", f.sessions(f.owner), []string{"cli keyfob", "cli keyfob"})
	f.clock.move(core.IdleLimit - time.Hour)
	f.as(used)
}

// TestIdleSessionsAreThrownAway 90 days after they were over, and what they did stays on record.
func TestIdleSessionsAreThrownAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bo := f.member("bo", api.RoleMember)
	in, err := f.svc.StartSession(t.Context(), bo.User.ID, api.SessionCLI, core.Client{Name: "old"})
	f.must(err)
	f.as(in)
	const day = 24 * time.Hour
	start := f.clock.now()
	kept := func(d time.Duration) bool {
		f.Helper()
		f.clock.set(start.Add(d))
		f.must(core.PruneForTest(t.Context(), f.svc))
		_, err := f.svc.Authenticate(t.Context(), in.Token.Reveal())
		f.refused(err, api.CodeUnauthenticated, "")
		return core.SessionForTest(t.Context(), f.svc, in.Token) == nil
	}
	f.equal("after it was over", kept(core.IdleLimit), true)
	f.equal("in time", kept(core.IdleLimit+90*day), true)
	f.equal("later", kept(core.IdleLimit+90*day+time.Microsecond), false)
	_, f.owner = f.signIn(f.owner.User)
	f.equal("events of bo", types(f.orgEvents(core.ListEvents{Actor: bo.User.ID})),
		[]string{"session.refused", "session.refused", "session.created", "session.created"})
}
