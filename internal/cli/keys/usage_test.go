package keys

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/pkg/api"
)

func TestUsageRows(t *testing.T) {
	t.Parallel()
	now := *at(t, "2026-11-23T12:34:00Z")
	used := api.Usage{
		Calls1h: 3, Calls24h: 15, Callers: []api.UsageCaller{{Address: "192.0.2.0/24", Agent: "curl/8", LastUsedAt: now}},
		Hours: []api.UsageHour{
			{Start: *at(t, "2026-08-25T23:00:00Z"), Calls: 900}, // the day before the first
			{Start: *at(t, "2026-08-26T00:00:00Z"), Calls: 100},
			{Start: *at(t, "2026-11-22T12:00:00Z"), Calls: 5}, // the hour before the first
			{Start: *at(t, "2026-11-22T13:00:00Z"), Calls: 12},
			{Start: *at(t, "2026-11-23T12:00:00Z"), Calls: 3},
		},
	}
	head := [][]string{{"calls, last hour", "3"}, {"calls, last day", "15"}, {"caller", "curl/8 from 192.0.2.0/24, last at 2026-11-23T12:34:00Z"}}
	hours := []string{"24 h by hour", "15 calls, at most 12 in the hour 2026-11-22 13:00 UTC"}
	days := []string{"90 days by day", "120 calls, at most 100 in the day 2026-08-26 UTC"}
	utf8 := func(name string) string { return map[string]string{"LANG": "de_DE.UTF-8"}[name] }
	none := []string{"calls, last hour", "0"}
	for _, tt := range []struct {
		name  string
		usage api.Usage
		bars  []rune
		want  [][]string
	}{
		{"piped", used, barsFor(false, utf8), append(head[:3:3], hours, days)},
		{"terminal", used, barsFor(true, utf8), append(head[:3:3],
			[]string{"24 h by hour", "█▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▃"}, hours,
			[]string{"90 days by day", "█" + strings.Repeat("▁", 87) + "▃▂"}, days)},
		{"never", api.Usage{}, nil, [][]string{none, {"calls, last day", "0"}, {"24 h by hour", "no calls"}, {"90 days by day", "no calls"}}},
		{"once", api.Usage{Hours: used.Hours[4:][:1:1]}, nil, [][]string{
			none,
			{"calls, last day", "0"},
			{"24 h by hour", "3 calls, at most 3 in the hour 2026-11-23 12:00 UTC"},
			{"90 days by day", "3 calls, at most 3 in the day 2026-11-23 UTC"},
		}},
	} {
		if diff := cmp.Diff(tt.want, usageRows(tt.usage, now, tt.bars)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		counts []int64
		env    map[string]string
		want   string
	}{
		{[]int64{0, 0, 0}, map[string]string{"LANG": "C.UTF-8"}, "▁▁▁"},
		{[]int64{0, 1}, map[string]string{"LC_ALL": "en_US.utf8", "LANG": "C"}, "▁█"},
		{[]int64{0, 1, 25, 50, 75, 100}, map[string]string{"LC_CTYPE": "C.UTF-8"}, "▁▂▃▅▇█"},
		{[]int64{0, 1 << 62, 1 << 61}, map[string]string{"LANG": "C.UTF-8"}, "▁█▅"},
		{[]int64{0, 1, 100}, map[string]string{"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "_.#"},
		{[]int64{0, 100}, map[string]string{"TERM": "dumb", "LANG": "de_DE.UTF-8"}, "_#"},
		{[]int64{0, 100}, nil, "_#"},
	} {
		if got := sparkline(tt.counts, barsFor(true, func(name string) string { return tt.env[name] })); got != tt.want {
			t.Errorf("%v with %v: %q, want %q", tt.counts, tt.env, got, tt.want)
		}
	}
}
