package api

import (
	"encoding/json"
	"fmt"
)

// RateLimit is how often a key may pass: Requests, 1 to RateRequestsMax, in PerSeconds, 1 to RateSecondsMax. They may come at once;
// what was used comes back evenly.
type RateLimit struct {
	Requests   int64 `json:"requests"`
	PerSeconds int64 `json:"per_seconds"`
}

// The greatest rate limit.
const (
	RateRequestsMax = 1_000_000
	RateSecondsMax  = 86_400 // a day
)

// String returns the limit as people write it, such as 100/s, 1000/m, 50/h, 10/d or 5/10s.
func (l RateLimit) String() string {
	switch l.PerSeconds {
	case 1:
		return fmt.Sprintf("%d/s", l.Requests)
	case 60:
		return fmt.Sprintf("%d/m", l.Requests)
	case 60 * 60:
		return fmt.Sprintf("%d/h", l.Requests)
	case 24 * 60 * 60:
		return fmt.Sprintf("%d/d", l.Requests)
	}
	return fmt.Sprintf("%d/%ds", l.Requests, l.PerSeconds)
}

// NullRateLimit is a rate limit or JSON null, as NullTime is a time.
type NullRateLimit struct {
	RateLimit RateLimit
	Valid     bool
}

// MarshalJSON implements json.Marshaler.
func (l NullRateLimit) MarshalJSON() ([]byte, error) {
	if !l.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(l.RateLimit)
}

// RateLeft is what is left of a key's rate limit.
type RateLeft struct {
	RateLimit

	Remaining int64 `json:"remaining"`
	// ResetSeconds is after how many seconds all of it is there again if nothing uses it, or, where nothing remains, one request.
	ResetSeconds int64 `json:"reset_seconds"`
}

// Headers of answers to requests with a key that has a rate limit, as structured fields (RFC 9651): RateLimit-Policy
// "key";q=REQUESTS;w=SECONDS and RateLimit "key";r=REMAINING;t=SECONDS, where r and t are those of RateLeft. They are of
// draft-ietf-httpapi-ratelimit-headers, from version 09 on.
const (
	HeaderRateLimit       = "Ratelimit" // as Go spells it; HTTP does not care
	HeaderRateLimitPolicy = "Ratelimit-Policy"
)

// Policy is the value of RateLimit-Policy.
func (l RateLimit) Policy() string { return fmt.Sprintf(`"key";q=%d;w=%d`, l.Requests, l.PerSeconds) }

// Left is the value of RateLimit.
func (l RateLeft) Left() string { return fmt.Sprintf(`"key";r=%d;t=%d`, l.Remaining, l.ResetSeconds) }
