package core_test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// device starts a device grant.
func (f *fixture) device(host string) core.DeviceStart {
	f.Helper()
	d, err := f.svc.StartDevice(f.Context(), core.Client{Name: "keyfob", Host: host}, "192.0.2.7")
	f.must(err)
	return d
}

func (f *fixture) poll(d core.DeviceStart) error {
	_, err := f.svc.PollDevice(f.Context(), d.DeviceCode)
	return err
}

func TestDeviceIsApproved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.now().Truncate(time.Microsecond)
	d, err := f.svc.StartDevice(t.Context(), core.Client{Name: " keyfob\x00 ", Host: "lap\u202etop"}, "192.0.2.7")
	f.must(err)
	f.equal("times", []time.Duration{d.Lifetime, d.Interval}, []time.Duration{10 * time.Minute, 2 * time.Second})
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(d.UserCode) {
		t.Errorf("user code %q", d.UserCode)
	}
	f.is(f.poll(d), core.ErrDevicePending)
	f.clock.move(2*time.Second - time.Microsecond)
	f.is(f.poll(d), core.ErrDeviceSlowDown)
	f.clock.move(time.Microsecond)
	f.is(f.poll(d), core.ErrDevicePending)
	f.clock.move(-time.Minute) // another replica's clock
	f.is(f.poll(d), core.ErrDevicePending)
	f.clock.set(start.Add(time.Minute))

	flat := strings.ReplaceAll(d.UserCode, "-", "")
	for _, entered := range []string{d.UserCode, flat, strings.ToLower(flat), " " + flat[:2] + " - " + flat[2:] + "\n", flat[:4] + "\u2013" + flat[4:]} {
		g, err := f.svc.Device(t.Context(), f.owner, entered)
		f.must(err)
		f.equal("grant", g, core.DeviceGrant{
			UserCode: d.UserCode, Client: core.Client{Name: "keyfob", Host: "laptop"}, Address: "192.0.2.7",
			CreatedAt: start, ExpiresAt: start.Add(10 * time.Minute),
		})
	}
	f.must(f.svc.DecideDevice(t.Context(), f.owner, strings.ToLower(d.UserCode), true))
	f.refused(f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, true), api.CodeNotFound, "no program waits")
	f.refused(f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, false), api.CodeNotFound, "no program waits")
	_, err = f.svc.Device(t.Context(), f.owner, d.UserCode)
	f.refused(err, api.CodeNotFound, fmt.Sprintf("no program waits under the code %q", d.UserCode))

	in, err := f.svc.PollDevice(t.Context(), d.DeviceCode) // at once: it was last asked for the decision
	f.must(err)
	f.equal("session", f.as(in).Session, core.Session{
		ID: in.Session.ID, Kind: api.SessionCLI, Name: "keyfob", Host: "laptop", Hint: in.Token.Hint(), UserID: f.owner.User.ID,
		CreatedAt: f.clock.now().Truncate(time.Microsecond), LastUsedAt: f.clock.now().Truncate(time.Microsecond), ExpiresAt: f.clock.now().Truncate(time.Microsecond).Add(core.IdleLimit),
	})
	f.is(f.poll(d), core.ErrDeviceExpired)
	events := f.orgEvents(core.ListEvents{After: f.orgEvents(core.ListEvents{Type: "org"})[0].ID})
	f.equal("events", types(events), []string{"session.created", "device.approved", "session.created"})
	f.equal("approved", events[1].Data, map[string]string{"client": "keyfob", "host": "laptop", "address": "192.0.2.7"})
}

func TestDeviceIsDenied(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d := f.device("laptop")
	f.must(f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, false))
	for range 2 {
		f.is(f.poll(d), core.ErrDeviceDenied)
	}
	f.clock.move(10 * time.Minute)
	f.is(f.poll(d), core.ErrDeviceExpired)
	f.equal("event", types(f.orgEvents(core.ListEvents{Type: "device"})), []string{"device.denied"})
}

func TestDeviceExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d, approved := f.device("a"), f.device("b")
	f.clock.move(10*time.Minute - time.Microsecond)
	_, err := f.svc.Device(t.Context(), f.owner, d.UserCode)
	f.must(err)
	f.must(f.svc.DecideDevice(t.Context(), f.owner, approved.UserCode, true))
	f.clock.move(time.Microsecond)
	_, err = f.svc.Device(t.Context(), f.owner, d.UserCode)
	f.refused(err, api.CodeNotFound, "no program waits")
	f.refused(f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, true), api.CodeNotFound, "no program waits")
	f.is(f.poll(d), core.ErrDeviceExpired)
	f.is(f.poll(approved), core.ErrDeviceExpired)
	for _, junk := range []string{"", d.UserCode, d.DeviceCode[1:], strings.ToLower(d.DeviceCode), strings.Repeat("A", 1<<16), "\xff\x00"} {
		_, err := f.svc.PollDevice(t.Context(), junk)
		f.is(err, core.ErrDeviceExpired)
	}
}

// TestOneSessionOfOneGrant: many polls at once, on two replicas, get one and the same session.
func TestOneSessionOfOneGrant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d := f.device("laptop")
	f.must(f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, true))
	services := []*core.Service{f.svc, f.service()}
	got, errs := make([]core.SignedIn, 8), make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { got[i], errs[i] = services[i%2].PollDevice(t.Context(), d.DeviceCode) })
	}
	group.Wait()
	for i := range errs {
		f.must(errs[i])
		f.equal("token", got[i].Token.Reveal(), got[0].Token.Reveal())
	}
	f.equal("listed", f.sessions(f.owner), []string{"cli keyfob", "cli keyfob"})
}

// TestOneDecision: of two at once one counts.
func TestOneDecision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 3 {
		d := f.device("laptop")
		errs := make([]error, 2)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, i == 0) })
		}
		group.Wait()
		if errs[0] == nil {
			f.refused(errs[1], api.CodeNotFound, "no program waits")
			f.must(f.poll(d))
			continue
		}
		f.refused(errs[0], api.CodeNotFound, "no program waits")
		f.must(errs[1])
		f.is(f.poll(d), core.ErrDeviceDenied)
	}
}

// TestSignedOutEverywhere: what was approved before a sign-out does not become a session after it, in whichever order they share a
// moment.
func TestSignedOutEverywhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.member("bo", api.RoleMember)
	for _, out := range []func(){
		func() {
			_, _, err := f.svc.EndSessions(t.Context(), p)
			f.must(err)
		},
		func() {
			_, _, err := f.svc.EndSessions(t.Context(), p)
			f.must(err)
		},
		func() { f.must(f.svc.RemoveMember(t.Context(), f.owner, "acme", p.User.ID)) },
	} {
		before := f.device("before")
		f.must(f.svc.DecideDevice(t.Context(), p, before.UserCode, true))
		out()
		_, p = f.signIn(p.User)
		after := f.device("after")
		f.must(f.svc.DecideDevice(t.Context(), p, after.UserCode, true))
		f.is(f.poll(before), core.ErrDeviceDenied)
		f.is(f.poll(before), core.ErrDeviceDenied)
		f.must(f.poll(after))
	}
}

func TestTooManyDevices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 20 {
		f.device("laptop")
	}
	_, err := f.svc.StartDevice(t.Context(), core.Client{}, "192.0.2.7")
	f.refused(err, api.CodeTooManyTries, "too many programs wait")
	f.equal("retry after", retryAfter(t, err), time.Minute)
	for range 20 { // no address is not every address
		_, err = f.svc.StartDevice(t.Context(), core.Client{}, "")
		f.must(err)
	}
	_, err = f.svc.StartDevice(t.Context(), core.Client{}, "")
	f.refused(err, api.CodeTooManyTries, "too many programs wait")
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		for i := range 10_000 - 40 {
			g := store.NewDeviceGrant{DeviceGrant: store.DeviceGrant{
				ID: fmt.Sprint("dev_", i), UserCode: fmt.Sprintf("%08d", i), State: store.GrantPending, Address: strconv.Itoa(i),
				CreatedAt: f.clock.now(), ExpiresAt: f.clock.now().Add(10 * time.Minute),
			}, PepperID: "x"}
			copy(g.Digest[:], g.UserCode)
			if err := tx.AddDeviceGrant(g); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err = f.svc.StartDevice(t.Context(), core.Client{}, "198.51.100.1")
	f.refused(err, api.CodeTooManyTries, "too many programs wait")
	f.clock.move(10 * time.Minute)
	f.device("laptop")
}

func retryAfter(tb testing.TB, err error) time.Duration {
	tb.Helper()
	var refusal *core.Error
	if !errors.As(err, &refusal) {
		tb.Fatalf("got error %v, want a refusal", err)
	}
	return refusal.RetryAfter
}
