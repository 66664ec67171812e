package core_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestChecksAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key, sec := f.create(core.NewKey{Name: "ci"})
	check := func(presented, org string, opens bool) {
		t.Helper()
		if _, err := f.svc.Admit(f.Context(), presented, org, core.Origin{}); (err == nil) != opens {
			t.Fatal(err)
		}
	}
	whole := sec.Reveal()
	check(whole, "", true)
	check(whole, "", true)
	check(whole, "another", false)
	check("", "", false)
	check(secret.New(secret.Key).Reveal(), "", false)
	if _, err := f.svc.SetKeyEnabled(f.Context(), f.owner, f.org.Slug, key.ID, false, ""); err != nil {
		t.Fatal(err)
	}
	check(whole, "", false)
	want := map[string]uint64{"valid": 2, "unknown": 2, "disabled": 1, "expired": 0, "forbidden": 1, "limited": 0, "failed": 0}
	if got := f.svc.Checks(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if got := core.OutcomeForTest(errors.New("the store is gone")); got != "failed" {
		t.Errorf("a failure counts as %s", got)
	}
	if at := f.svc.UsesWrittenAt(); at.IsZero() || time.Since(at) > 365*24*time.Hour {
		t.Errorf("use was written at %s", at)
	}
}
