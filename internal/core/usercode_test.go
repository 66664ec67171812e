package core_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestWrongUserCodes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d := f.device("laptop")
	other := f.member("bo", api.RoleMember)
	wrong := []string{"BBBB-BBBB", "", "WDJB-MJHTX", "ВСDF-GHJK" /* Cyrillic */, "BBBB-BBBB"}
	start := f.clock.now()
	for i, code := range wrong {
		f.clock.move(time.Second)
		var err error
		if i%2 == 0 {
			_, err = f.svc.Device(t.Context(), f.owner, strings.ToLower(code))
		} else { // no way around
			err = f.svc.DecideDevice(t.Context(), f.owner, code, true)
		}
		f.refused(err, api.CodeNotFound, "no program waits under the code")
	}
	tooMany := func(wait time.Duration) {
		f.Helper()
		_, err := f.svc.Device(t.Context(), f.owner, d.UserCode)
		f.refused(err, api.CodeTooManyTries, "too many tries")
		f.equal("retry after", retryAfter(t, err), wait)
		f.refused(f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, true), api.CodeTooManyTries, "too many tries")
	}
	tooMany(9*time.Minute + 56*time.Second)
	f.clock.set(start.Add(10 * time.Minute))
	d = f.device("laptop")
	tooMany(time.Second)
	_, err := f.svc.Device(t.Context(), other, d.UserCode) // somebody else's tries are their own
	f.must(err)
	f.clock.move(time.Second)
	f.must(f.svc.DecideDevice(t.Context(), f.owner, d.UserCode, true))

	_, err = f.svc.Device(t.Context(), other, f.token.Reveal())
	f.refused(err, api.CodeNotFound, "under the code (a secret)")
	_, err = f.svc.Device(t.Context(), other, strings.Repeat("B", 1<<20))
	f.refused(err, api.CodeNotFound, `BBBB…"`)
}

// TestLookAlikesAreNoLetters: 0 is no O, and neither is in the alphabet.
func TestLookAlikesAreNoLetters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const code = "BDFGJLQZ"
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.AddDeviceGrant(store.NewDeviceGrant{
			DeviceGrant: store.DeviceGrant{
				ID: "dev_1", UserCode: code, State: store.GrantPending, Address: "x", CreatedAt: f.clock.now(), ExpiresAt: f.clock.now().Add(time.Minute),
			}, PepperID: "x",
		})
	}))
	for _, alike := range []string{"8DFGJLQZ", "BDFGJ1QZ", "BDFGJLO2", "BDFGJIQZ", "ВDFGJLQZ"} {
		_, err := f.svc.Device(t.Context(), f.owner, alike)
		f.refused(err, api.CodeNotFound, "no program waits")
	}
	for i, same := range []string{"bdfgjlqz", "ＢＤＦＧＪＬＱＺ", "B-D-F-G-J-L-Q-Z", "\u00a0BDFG\u2014JLQZ\u3000"} { // full-width letters are the letters
		p := f.member(fmt.Sprint("p", i), api.RoleViewer)
		_, err := f.svc.Device(t.Context(), p, same)
		f.must(err)
	}
}

func TestUserCodesAreDrawnEvenly(t *testing.T) {
	t.Parallel()
	const draws = 20_000
	seen := map[rune]int{}
	for range draws {
		for _, r := range core.NewUserCodeForTest() {
			seen[r]++
		}
	}
	const want = draws * 8 / 20
	for r, n := range seen {
		if !strings.ContainsRune("BCDFGHJKLMNPQRSTVWXZ", r) || n < want*9/10 || n > want*11/10 { // nine standard deviations
			t.Errorf("%c was drawn %d times, want about %d", r, n, want)
		}
	}
}
