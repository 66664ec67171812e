package cliutil

import (
	"strconv"
	"strings"
	"time"
)

// When is a moment on the command line: a span such as 90d, 12h or 2w counted from now, a date, or an RFC 3339 time.
// Ago says that spans count backwards, OrNever that never is a moment, the zero time.
type When struct {
	Ago     bool
	OrNever bool
	Now     func() time.Time
	At      time.Time
}

// String returns the moment in RFC 3339; it makes When a pflag.Value.
func (w *When) String() string { return Stamp(&w.At) }

// Type is what the help calls the value.
func (w *When) Type() string { return "when" }

// Set parses the value.
func (w *When) Set(value string) error {
	span, isSpan := parseSpan(value)
	now := w.Now()
	switch {
	case w.OrNever && value == "never":
		w.At = time.Time{}
	case isSpan && w.Ago:
		w.At = now.Add(-span)
	case isSpan:
		w.At = now.Add(span)
	default:
		at, err := parseMoment(value)
		if err != nil {
			return UsageError("use a span such as 90d, 12h or 2w, a date such as 2027-01-31, or an RFC 3339 time")
		}
		w.At = at
	}
	return nil
}

func parseMoment(value string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, value); err == nil {
		return day, nil
	}
	return time.Parse(time.RFC3339, value)
}

// parseSpan takes a whole number of weeks, days, hours or minutes, or a Go duration. A century is the most.
func parseSpan(value string) (time.Duration, bool) {
	const day = 24 * time.Hour
	const most = 100 * 365 * day
	for unit, length := range map[string]time.Duration{"w": 7 * day, "d": day} {
		digits, ok := strings.CutSuffix(value, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || n == 0 || time.Duration(n) > most/length {
			return 0, false
		}
		return time.Duration(n) * length, true
	}
	span, err := time.ParseDuration(value)
	return span, err == nil && span > 0 && span <= most
}
