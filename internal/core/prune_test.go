package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// TestOldThingsOfPeopleAreThrownAway, and those that still tell something are kept.
func TestOldThingsOfPeopleAreThrownAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t).withPasswords()
	f.account("bo@example.com")
	d := f.device("laptop")
	f.wrong("bo@example.com", "wrong", core.Origin{AddressPrefix: "192.0.2.0/24"})
	tab, _ := f.start(api.SessionBrowser, "tab")
	link := f.invite("cy@example.com", api.RoleViewer)
	left := func() (out []string) {
		f.Helper()
		f.must(core.PruneForTest(t.Context(), f.svc))
		f.must(f.store.View(t.Context(), func(tx store.Tx) error {
			if _, err := tx.DeviceGrantByUserCode(strings.ReplaceAll(d.UserCode, "-", "")); err == nil {
				out = append(out, "grant")
			}
			if _, err := tx.Tries("password from address", "192.0.2.0/24"); err == nil {
				out = append(out, "tries")
			}
			sessions, err := tx.Sessions(f.owner.User.ID)
			for _, s := range sessions {
				if s.ID == tab.Session.ID {
					out = append(out, "session")
				}
			}
			return err
		}))
		if err := core.InvitationForTest(t.Context(), f.svc, link); err == nil {
			out = append(out, "invitation")
		}
		return out
	}
	start := f.clock.now()
	at := func(d time.Duration, want ...string) {
		f.Helper()
		f.clock.set(start.Add(d))
		f.equal(d.String(), left(), want)
	}
	const day = 24 * time.Hour
	at(10*time.Minute-time.Microsecond, "grant", "tries", "session", "invitation")
	at(10*time.Minute, "tries", "session", "invitation")
	at(time.Hour, "tries", "session", "invitation")
	at(time.Hour+time.Microsecond, "session", "invitation")
	at(90*day+time.Hour, "session", "invitation")
	at(90*day+time.Hour+time.Microsecond, "invitation")
	at(97*day, "invitation")
	at(97*day + time.Microsecond)
}
