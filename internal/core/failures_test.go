package core_test

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	failuresMost = 100 // that an address may have
	guessed      = "too many keys that are malformed, unknown or deleted came from this address"
)

func address(text string) core.Origin { return core.Origin{Address: netip.MustParseAddr(text)} }

func TestFailuresOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	_, gone := f.create(core.NewKey{Name: "gone"})
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "gone", core.DeleteKey{AcknowledgeRecentUse: true}))
	junk := []string{"", "kf_", gone.Reveal(), secret.New(secret.Key).Reveal(), secret.New(secret.Session).Reveal()}
	ask := func(presented, from string) error {
		_, err := f.svc.CheckKey(t.Context(), presented, address(from))
		return err
	}
	for n := range failuresMost {
		f.refused(ask(junk[n%len(junk)], "192.0.2.1"), api.CodeUnauthenticated, noKeyDetail)
	}
	for _, presented := range junk {
		err := ask(presented, "192.0.2.1")
		f.refused(err, api.CodeTooManyTries, guessed)
		if got, ok := err.(*core.Error); !ok || got.RetryAfter != 10*time.Second { //nolint:errorlint // the check's own answer
			t.Errorf("refused with %+v", got)
		}
		f.refused(ask(presented, "::ffff:192.0.2.1"), api.CodeTooManyTries, guessed)
		f.refused(ask(presented, "192.0.2.2"), api.CodeUnauthenticated, noKeyDetail)
	}
	f.must(ask(sec.Reveal(), "192.0.2.1")) // a neighbour's
	core.ForgetForTest(f.svc)
	f.must(ask(sec.Reveal(), "192.0.2.1"))
	_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", k.ID, false, "")
	f.must(err)
	f.refused(ask(sec.Reveal(), "192.0.2.1"), api.CodeKeyDisabled, "disabled")

	f.clock.move(10 * time.Second)
	f.refused(ask("", "192.0.2.1"), api.CodeUnauthenticated, noKeyDetail)
	f.refused(ask("", "192.0.2.1"), api.CodeTooManyTries, guessed)
	f.clock.move(-24 * time.Hour)
	f.refused(ask("", "192.0.2.1"), api.CodeTooManyTries, guessed)
	f.clock.move(10 * time.Second) // a clock that was set back makes it no longer
	f.refused(ask("", "192.0.2.1"), api.CodeUnauthenticated, noKeyDetail)
	f.clock.move(48 * time.Hour)
	f.refused(ask("", "192.0.2.1"), api.CodeUnauthenticated, noKeyDetail)
}

func TestWhoseFailuresTheyAre(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ask := func(from core.Origin) error {
		_, err := f.svc.CheckKey(t.Context(), "", from)
		return err
	}
	for range failuresMost { // the subscriber's, whichever address it takes
		f.refused(ask(address("2001:db8::1")), api.CodeUnauthenticated, noKeyDetail)
	}
	f.refused(ask(address("2001:db8::ffff:2")), api.CodeTooManyTries, guessed)
	f.refused(ask(address("2001:db8:0:1::1")), api.CodeUnauthenticated, noKeyDetail)
	for range 2 * failuresMost { // nobody's
		f.refused(ask(core.Origin{AddressPrefix: "192.0.2.0/24"}), api.CodeUnauthenticated, noKeyDetail)
	}
}

// TestAFloodTakesNoMemory, from as many addresses as it has keys; and it pushes nobody out who sent too many.
func TestAFloodTakesNoMemory(t *testing.T) { // not parallel: it measures memory
	f := newFixture(t)
	f.remembered(f.svc)
	for range failuresMost + 1 {
		_, _ = f.svc.CheckKey(t.Context(), "", address("192.0.2.1"))
	}
	many := 1_000_000
	if testing.Short() || underRace {
		many = 50_000
	}
	unknown := []string{"kf_guessed", secret.New(secret.Key).Reveal()}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range many {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], uint32(n)+10<<24)
		if _, err := f.svc.CheckKey(t.Context(), unknown[n%2], core.Origin{Address: netip.AddrFrom4(ip)}); err == nil {
			t.Fatal("an unknown key passes")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("%d keys added %d bytes", many, grown)
	}
	_, err := f.svc.CheckKey(t.Context(), "", address("192.0.2.1"))
	f.refused(err, api.CodeTooManyTries, guessed)
}
