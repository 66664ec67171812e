package client

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// roundTripper answers without a network, so that time in a synctest bubble is the test's.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func testClient(t *testing.T, answers roundTripper) *Client {
	t.Helper()
	c, err := New(Config{URL: "https://keys.example.com", Token: secret.New(secret.Session)})
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = answers
	return c
}

func respond(r *http.Request, status int, header map[string]string, body string) (*http.Response, error) {
	rec := httptest.NewRecorder()
	for k, v := range header {
		rec.Header().Set(k, v)
	}
	rec.WriteHeader(status)
	_, _ = rec.WriteString(body)
	res := rec.Result()
	res.Request = r
	return res, nil
}

// TestRetries counts the tries and measures the wait of each kind of failure.
func TestRetries(t *testing.T) {
	t.Parallel()
	get := request{method: http.MethodGet, path: "/v1/session"}
	cases := map[string]struct {
		request    request
		status     int
		retryAfter string
		tries      int
		least      time.Duration
		most       time.Duration
	}{
		"503":                 {get, 503, "", 5, 0, 4 * time.Second},
		"no answer":           {get, 0, "", 5, 0, 4 * time.Second},
		"Retry-After 3":       {get, 429, "3", 5, 12 * time.Second, 12 * time.Second},
		"Retry-After 25":      {get, 503, "25", 3, 50 * time.Second, 50 * time.Second},
		"Retry-After 10 days": {get, 503, "864000", 5, 0, 4 * time.Second},
		"Retry-After -1":      {get, 503, "-1", 5, 0, 4 * time.Second},
		"Retry-After soon":    {get, 503, "soon", 5, 0, 4 * time.Second},
		"Retry-After 1990":    {get, 503, "Mon, 01 Jan 1990 00:00:00 GMT", 5, 0, 4 * time.Second},
		"500":                 {get, 500, "", 1, 0, 0},
		"404":                 {get, 404, "", 1, 0, 0},
		"200":                 {get, 200, "", 1, 0, 0},
		"POST":                {request{method: http.MethodPost, path: "/v1/x"}, 503, "", 1, 0, 0},
		"POST with a key":     {request{method: http.MethodPost, path: "/v1/x", idempotency: "k"}, 503, "", 5, 0, 4 * time.Second},
		"DELETE":              {request{method: http.MethodDelete, path: "/v1/x"}, 503, "", 5, 0, 4 * time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				c := testClient(t, func(r *http.Request) (*http.Response, error) {
					tries++
					if tc.status == 0 {
						return nil, errors.New("reset")
					}
					return respond(r, tc.status, map[string]string{"Retry-After": tc.retryAfter}, "")
				})
				start := time.Now()
				_ = c.do(t.Context(), tc.request, nil)
				if took := time.Since(start); tries != tc.tries || took < tc.least || took > tc.most {
					t.Errorf("%d tries in %s, want %d in %s to %s", tries, took, tc.tries, tc.least, tc.most)
				}
			})
		})
	}
}

// TestLostDelete holds that a delete whose answer was lost is a success when it is asked again.
// TestSecondsThatAServiceNames holds them within bounds (security-reliability.md's input 67).
func TestSecondsThatAServiceNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[int64]time.Duration{
		math.MinInt64: time.Second, -1: time.Second, 0: time.Second, 1: time.Second, 5: 5 * time.Second, 30: 30 * time.Second,
		31: 30 * time.Second, 1e12: 30 * time.Second, math.MaxInt64: 30 * time.Second,
	} {
		if got := seconds(in, minInterval, maxInterval); got != want {
			t.Errorf("%d: %s, want %s", in, got, want)
		}
	}
}

func TestLostDelete(t *testing.T) {
	t.Parallel()
	gone := func(r *http.Request) (*http.Response, error) {
		return respond(r, 404, map[string]string{"Content-Type": "application/problem+json"}, `{"code":"key-not-found"}`)
	}
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := testClient(t, func(r *http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				return nil, errors.New("the answer was lost")
			}
			return gone(r)
		})
		if err := c.DeleteKey(t.Context(), "acme", "ci", DeleteKeyOptions{}); err != nil {
			t.Errorf("a lost answer: %v", err)
		}
		var answered *Error
		if err := testClient(t, gone).DeleteKey(t.Context(), "acme", "ci", DeleteKeyOptions{}); !errors.As(err, &answered) || answered.Code != api.CodeKeyNotFound {
			t.Errorf("never there: %v", err)
		}
	})
}

// TestCancelledWhileWaiting holds that Ctrl-C ends a wait at once.
func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := testClient(t, func(r *http.Request) (*http.Response, error) {
			cancel()
			return respond(r, 503, map[string]string{"Retry-After": "50"}, "")
		})
		start := time.Now()
		if err := c.do(ctx, request{method: http.MethodGet, path: "/v1/session"}, nil); err == nil || time.Since(start) > 0 {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// TestSameKeyOnEachTry holds that every try of a create carries the same Idempotency-Key, and every create another.
func TestSameKeyOnEachTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		c := testClient(t, func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.Header.Get("Idempotency-Key"))
			return respond(r, 503, nil, "")
		})
		for range 2 {
			_, _, _ = c.CreateKey(t.Context(), "acme", api.CreateKeyRequest{Name: "ci"})
		}
		if len(seen) != 2*maxTries || seen[0] == "" || seen[0] != seen[maxTries-1] || seen[0] == seen[maxTries] {
			t.Errorf("sent %q", seen)
		}
	})
}

// TestOnce holds that a client that has another way on makes a request a single time.
func TestOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{URL: server.URL, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Session(t.Context()); err == nil || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
