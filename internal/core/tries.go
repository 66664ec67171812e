package core

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// limit is how often something may go wrong in a window that begins with the first time. It is counted in the store, so that it
// holds on every replica. No window is longer than triesKept.
type limit struct {
	kind   string
	most   int
	window time.Duration
}

// The limits.
func accountLimit() limit  { return limit{"password of account", 5, 15 * time.Minute} }
func addressLimit() limit  { return limit{"password from address", 30, 15 * time.Minute} }
func userCodeLimit() limit { return limit{"user code", 5, 10 * time.Minute} }

// count returns the count of the window that now is in; when it is used up, CodeTooManyTries.
func (l limit) count(tx store.Tx, subject string, now time.Time) (store.Tries, error) {
	t, err := tx.Tries(l.kind, subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && outside(t, l.window, now) {
		return store.Tries{Kind: l.kind, Subject: subject, Since: now}, nil
	}
	if err == nil && t.Count >= l.most {
		err = tooMany("there were too many tries", t.Since.Add(l.window).Sub(now))
	}
	return t, err
}

// charge counts a try, or refuses it.
func (l limit) charge(tx store.Tx, subject string, now time.Time) error {
	t, err := l.count(tx, subject, now)
	if err != nil {
		return err
	}
	t.Count++
	return tx.PutTries(t)
}

// refund takes one try back.
func (l limit) refund(tx store.Tx, subject string, now time.Time) error {
	t, err := tx.Tries(l.kind, subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && (outside(t, l.window, now) || t.Count == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	t.Count--
	return tx.PutTries(t)
}

// outside says that now is not in the window. One that lies far in the future was begun by a clock that was wrong; one that lies
// a little in the future by a replica whose clock is ahead, and counts.
func outside(t store.Tries, window time.Duration, now time.Time) bool {
	return now.Sub(t.Since).Abs() >= window
}

// tooMany refuses for so long, in whole seconds.
func tooMany(detail string, wait time.Duration) error {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return &Error{Code: api.CodeTooManyTries, Detail: detail, Fix: "try again in " + wait.String(), RetryAfter: wait}
}

// triesOf names an account, or what was entered for one, without keeping it: people enter a password there too.
func (s *Service) triesOf(entered string) string {
	d := s.keys.peppers.newest().digest("tries", entered)
	return hex.EncodeToString(d[:])
}
