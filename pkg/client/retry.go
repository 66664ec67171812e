package client

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Limits of trying again.
const (
	maxTries  = 5
	maxTotal  = 60 * time.Second
	baseDelay = 250 * time.Millisecond
	maxDelay  = 8 * time.Second
)

// retries decides whether and when a request is made again. Only requests that change nothing twice are.
type retries struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
	start time.Time
	tries int
	max   int
}

func newRetries() *retries {
	r := &retries{now: time.Now, sleep: sleep, max: maxTries}
	r.start = r.now()
	return r
}

// again waits before the next try; it is false when there is none: the request can't be repeated, the tries are used up,
// or the wait would pass the deadline. status is that of the answer, 0 without one.
func (r *retries) again(ctx context.Context, req request, status int, header http.Header) bool {
	r.tries++
	if r.tries >= r.max || !repeatable(req) || !passing(status) {
		return false
	}
	wait := r.delay(header)
	if r.now().Add(wait).Sub(r.start) > maxTotal {
		return false
	}
	return r.sleep(ctx, wait) == nil
}

// repeatable says that making the request twice is as good as once (RFC 9110 §9.2.2).
func repeatable(req request) bool {
	return req.method == http.MethodGet || req.method == http.MethodDelete || req.idempotent || req.idempotency != ""
}

// passing says that the failure may be gone in a moment.
func passing(status int) bool {
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// delay is what Retry-After asks for (RFC 9110 §10.2.3), else a random share of a span that doubles with each try ("full
// jitter"), so that many clients don't come back at once. A Retry-After that makes no sense is passed over.
func (r *retries) delay(header http.Header) time.Duration {
	if value := header.Get("Retry-After"); value != "" {
		if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 && seconds < int(time.Hour/time.Second) {
			return time.Duration(seconds) * time.Second
		}
		if at, err := http.ParseTime(value); err == nil {
			if wait := at.Sub(r.now()); wait > 0 && wait < time.Hour {
				return wait
			}
		}
	}
	span := min(baseDelay<<(r.tries-1), maxDelay)
	return rand.N(span) //nolint:gosec // spreads load; nothing is secret about it
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
