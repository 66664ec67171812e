package cliutil

import (
	"strings"
	"time"
)

// Period is a length of time on the command line: a whole number of weeks or days such as 7d, or hours and minutes such as 1h30m.
type Period time.Duration

// String returns the span without parts that are nothing; it makes Period a pflag.Value.
func (p *Period) String() string {
	s := time.Duration(*p).String()
	for _, nothing := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, nothing) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// Type is what the help calls the value.
func (p *Period) Type() string { return "span" }

// Set parses the value; 0 is none.
func (p *Period) Set(value string) error {
	if value == "0" {
		*p = 0
		return nil
	}
	d, ok := parseSpan(value)
	if !ok {
		return UsageError("use a span such as 24h, 90m or 7d, or 0")
	}
	*p = Period(d)
	return nil
}
