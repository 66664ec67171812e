package cliutil

import (
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// Rate is a rate limit on the command line: 100/s, 1000/m, 50/h, 10/d, 5/10s, or none.
type Rate struct {
	Limit api.RateLimit // zero: none
}

// String returns the limit as Set takes it; it makes Rate a pflag.Value.
func (r *Rate) String() string {
	if r.Limit == (api.RateLimit{}) {
		return ""
	}
	return r.Limit.String()
}

// Type is what the help calls the value.
func (r *Rate) Type() string { return "rate" }

// Set parses the value.
func (r *Rate) Set(value string) error {
	r.Limit = api.RateLimit{}
	if value == "none" {
		return nil
	}
	count, unit, _ := strings.Cut(value, "/")
	requests, err := strconv.ParseUint(count, 10, 32)
	if unit == "s" || unit == "m" || unit == "h" || unit == "d" {
		unit = "1" + unit
	}
	span, isSpan := parseSpan(unit)
	seconds := int64(span / time.Second)
	if err != nil || requests == 0 || !isSpan || span%time.Second != 0 {
		return UsageError("use a number of requests and a unit, such as 100/s, 1000/m, 50/h, 10/d or 5/10s, or none")
	}
	if requests > api.RateRequestsMax || seconds > api.RateSecondsMax {
		return UsageError("at most %d requests, and a day, can be counted", api.RateRequestsMax)
	}
	r.Limit = api.RateLimit{Requests: int64(requests), PerSeconds: seconds}
	return nil
}
