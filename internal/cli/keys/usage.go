package keys

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// callRows say how often a key was called lately, and by whom.
func callRows(u api.Usage) [][]string {
	rows := [][]string{
		{"calls, last hour", strconv.FormatInt(u.Calls1h, 10)},
		{"calls, last day", strconv.FormatInt(u.Calls24h, 10)},
	}
	for _, c := range u.Callers {
		rows = append(rows, []string{"caller", c.Agent + " from " + c.Address + ", last at " + cliutil.Stamp(&c.LastUsedAt)})
	}
	return rows
}

const (
	hoursShown = 24
	daysShown  = 90
	day        = 24 * time.Hour
)

// usageRows are callRows and the calls by hour and by day, as bars if there are any to draw with, and in words.
func usageRows(u api.Usage, now time.Time, bars []rune) [][]string {
	rows := callRows(u)
	for _, span := range []struct {
		label, each, layout string
		step                time.Duration
		n                   int
	}{
		{"24 h by hour", "hour", "2006-01-02 15:04", time.Hour, hoursShown},
		{"90 days by day", "day", time.DateOnly, day, daysShown},
	} {
		counts, first := countsOf(u.Hours, now, span.step, span.n)
		if line := sparkline(counts, bars); line != "" {
			rows = append(rows, []string{span.label, line})
		}
		rows = append(rows, []string{span.label, inWords(counts, span.each, func(i int) string {
			return first.Add(time.Duration(i) * span.step).Format(span.layout)
		})})
	}
	return rows
}

// countsOf sums calls up in n steps (UTC), of which the last is the one of now. first is when the first of them begins.
func countsOf(hours []api.UsageHour, now time.Time, step time.Duration, n int) (counts []int64, first time.Time) {
	first = now.UTC().Truncate(step).Add(-time.Duration(n-1) * step)
	counts = make([]int64, n)
	for _, h := range hours {
		if i := int(h.Start.Sub(first) / step); !h.Start.Before(first) && i < n {
			counts[i] += h.Calls
		}
	}
	return counts, first
}

// inWords tells the total and the greatest count, the latest of equals.
func inWords(counts []int64, each string, at func(int) string) string {
	total, most := int64(0), 0
	for i, n := range counts {
		total += n
		if n >= counts[most] {
			most = i
		}
	}
	switch total {
	case 0:
		return "no calls"
	case 1:
		return "1 call, in the " + each + " " + at(most) + " UTC"
	}
	return fmt.Sprintf("%d calls, at most %d in the %s %s UTC", total, counts[most], each, at(most))
}

// sparkline draws a bar for each count: the lowest for none, a higher one for any.
func sparkline(counts []int64, bars []rune) string {
	if len(bars) == 0 {
		return ""
	}
	most := int64(1)
	for _, n := range counts {
		most = max(most, n)
	}
	var b strings.Builder
	for _, n := range counts {
		level := 0
		if n > 0 {
			level = int(math.Ceil(float64(n) / float64(most) * float64(len(bars)-1)))
		}
		b.WriteRune(bars[min(level, len(bars)-1)])
	}
	return b.String()
}

// barsFor is what a stream can draw bars with: nothing off a terminal, ASCII where the locale (POSIX: LC_ALL, LC_CTYPE, LANG, the first
// that is set) is not UTF-8 or the terminal is dumb.
func barsFor(terminal bool, env func(string) string) []rune {
	if !terminal {
		return nil
	}
	locale := ""
	for _, name := range []string{"LANG", "LC_CTYPE", "LC_ALL"} {
		if v := env(name); v != "" {
			locale = v
		}
	}
	locale = strings.ToLower(strings.ReplaceAll(locale, "-", ""))
	if env("TERM") == "dumb" || !strings.Contains(locale, "utf8") {
		return []rune("_.:-=+*#")
	}
	return []rune("▁▂▃▄▅▆▇█")
}
