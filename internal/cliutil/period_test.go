package cliutil

import (
	"testing"
	"time"
)

func TestPeriod(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]struct {
		d     time.Duration
		shown string
	}{
		"24h": {24 * time.Hour, "24h"}, "7d": {7 * 24 * time.Hour, "168h"}, "90m": {90 * time.Minute, "1h30m"}, "0": {0, "0s"},
		"10m": {10 * time.Minute, "10m"}, "10h": {10 * time.Hour, "10h"}, "1h0m5s": {time.Hour + 5*time.Second, "1h0m5s"}, "30s": {30 * time.Second, "30s"},
	} {
		var p Period
		if err := p.Set(value); err != nil || time.Duration(p) != want.d || p.String() != want.shown {
			t.Errorf("%s: %s, %v, want %s", value, p.String(), err, want.shown)
		}
	}
	for _, bad := range []string{"", "-1h", "1", "1y", "tomorrow", "999999d", "0d", "2030-01-01"} {
		p := Period(time.Minute)
		if err := p.Set(bad); err == nil || p != Period(time.Minute) {
			t.Errorf("%q is taken as %s", bad, p.String())
		}
	}
}
