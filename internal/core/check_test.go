package core_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const noKeyDetail = "no valid key was presented: it is missing, malformed, unknown or deleted"

func TestPresentedKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	_, gone := f.create(core.NewKey{Name: "gone"})
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "gone", core.DeleteKey{AcknowledgeRecentUse: true}))
	good := sec.Reveal()
	flipped := []byte(good)
	flipped[10] ^= 1
	for name, presented := range map[string]string{
		"empty":           "",
		"only the prefix": "kf_",
		"flipped":         string(flipped),
		"unknown":         secret.New(secret.Key).Reveal(),
		"hint":            sec.Hint(),
		"leading space":   " " + good,
		"trailing space":  good + " ",
		"CRLF":            good + "\r\n",
		"BOM":             "\ufeff" + good,
		"NBSP":            good + "\u00a0",
		"bearer":          "Bearer " + good,
		"other prefix":    "kf_test_" + good[3:],
		"a session":       f.token.Reveal(),
		"10 KiB":          strings.Repeat(good, 250),
		"1 MiB":           "kf_" + strings.Repeat("a", 1<<20),
		"NUL inside":      good[:20] + "\x00" + good[21:],
		"Cyrillic":        good[:20] + "а" + good[22:],
		"full width":      "ｋｆ＿" + good[3:],
		"lower case":      strings.ToLower(good),
		"upper case":      strings.ToUpper(good),
		"URL encoded":     strings.ReplaceAll(url.QueryEscape(good), "_", "%5F"),
		"key id":          k.ID,
		"comma joined":    good + "," + good,
		"cut short":       good[:len(good)-1],
		"deleted":         gone.Reveal(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.svc.CheckKey(t.Context(), presented, core.Origin{})
			wantRefusal(t, err, api.CodeUnauthenticated, "")
			if err.Error() != noKeyDetail {
				t.Errorf("detail %q tells more than %q", err.Error(), noKeyDetail)
			}
		})
	}
	f.equal("a refused check is no use", f.get("ci").LastUsedAt, time.Time{})
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made, sec := f.create(core.NewKey{Name: "ci", ExpiresAt: f.clock.now().Add(time.Hour)})
	f.clock.move(time.Minute)
	c, err := f.check(sec)
	f.must(err)
	f.equal("caller", c, core.Caller{Org: f.org, KeyID: made.ID, KeyName: "ci", ExpiresAt: made.ExpiresAt, SecretVersion: 1})
	want := made
	want.LastUsedAt = f.clock.now().Truncate(time.Microsecond)
	want.Secrets[0].LastUsedAt = want.LastUsedAt
	self, err := f.svc.Self(t.Context(), c)
	f.must(err)
	f.equal("self", self, want)

	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "")
	f.must(err)
	f.clock.move(time.Minute)
	_, err = f.check(sec)
	f.refused(err, api.CodeKeyDisabled, `the key "ci" is disabled`)
	f.equal("no use", f.get("ci").LastUsedAt, want.LastUsedAt)
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", true, "")
	f.must(err)
	_, err = f.check(sec)
	f.must(err)

	f.clock.set(made.ExpiresAt.Add(-time.Microsecond))
	_, err = f.check(sec)
	f.must(err)
	f.clock.set(made.ExpiresAt)
	_, err = f.check(sec)
	f.refused(err, api.CodeKeyExpired, `the key "ci" expired at 2031-02-03T05:05:06Z`)
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{AcknowledgeRecentUse: true}))
	_, err = f.check(sec)
	f.refused(err, api.CodeUnauthenticated, noKeyDetail)
	_, err = f.svc.Self(t.Context(), c) // deleted since it was let in
	f.refused(err, api.CodeUnauthenticated, noKeyDetail)
}

// TestOddClocks: a clock at the epoch, before it, backwards or far ahead never panics, and use only moves forward.
func TestOddClocks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.now()
	_, sec := f.create(core.NewKey{Name: "ci"})
	_, err := f.check(sec)
	f.must(err)
	used := f.get("ci").LastUsedAt
	for _, now := range []time.Time{start.Add(-time.Hour), time.Unix(0, 0), time.Unix(-1, 0), {}, time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)} {
		f.clock.set(now)
		_, err := f.check(sec)
		f.must(err)
		f.equal("last use", f.get("ci").LastUsedAt, used)
		_, err = f.svc.Authenticate(t.Context(), f.token.Reveal())
		f.must(err)
		f.must(f.svc.Ready(t.Context()))
	}
	f.clock.set(time.Unix(0, 0))
	k, young := f.create(core.NewKey{Name: "of 1970", ExpiresAt: time.Unix(60, 0)})
	f.equal("made at", k.CreatedAt, time.Unix(0, 0).UTC())
	_, err = f.check(young)
	f.must(err)
	f.equal("used at the epoch", f.get("of 1970").LastUsedAt, time.Unix(0, 0).UTC())
	f.clock.set(time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC))
	_, err = f.check(sec)
	f.must(err)
	f.equal("used in 2106", f.get("ci").LastUsedAt, f.clock.now())
}
