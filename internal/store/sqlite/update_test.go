package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// crowd has calls of Update wait while one is under way, so that they are written together, in their order.
type crowd struct {
	*testing.T
	store *Store
	all   sync.WaitGroup
	held  chan struct{}
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{T: t, store: open(t, filepath.Join(t.TempDir(), "keyfob.db")), held: make(chan struct{})}
	begun := make(chan struct{})
	c.all.Go(func() {
		err := c.store.Update(t.Context(), func(store.Tx) error {
			close(begun)
			<-c.held
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	return c
}

// waits has fn wait for its turn; then is told how it ended.
func (c *crowd) waits(ctx context.Context, fn func(*tx) error, then func(err error, panicked any)) {
	c.Helper()
	c.store.queue.mu.Lock()
	before := len(c.store.queue.waiting)
	c.store.queue.mu.Unlock()
	c.all.Go(func() {
		var err error
		defer func() { then(err, recover()) }()
		err = c.store.Update(ctx, func(x store.Tx) error { return fn(x.(*tx)) })
	})
	for { // until it does
		c.store.queue.mu.Lock()
		n := len(c.store.queue.waiting)
		c.store.queue.mu.Unlock()
		if n > before {
			return
		}
		select {
		case <-c.Context().Done():
			c.Fatal("it does not wait")
		default:
		}
	}
}

func (c *crowd) want(text string) func(error, any) {
	return func(err error, panicked any) {
		if panicked != nil {
			c.Errorf("it panicked: %v", panicked)
		}
		wantError(c.T, err, text)
	}
}

func (c *crowd) end() { close(c.held); c.all.Wait() }

func (c *crowd) orgs(want string) {
	c.Helper()
	var got []string
	err := c.store.View(c.Context(), func(x store.Tx) error {
		orgs, err := x.Orgs("", 100)
		for _, o := range orgs {
			got = append(got, o.Slug)
		}
		return err
	})
	if err != nil || strings.Join(got, " ") != want {
		c.Errorf("there are %q, %v, want %q", got, err, want)
	}
}

func org(slug string) func(*tx) error {
	return func(x *tx) error {
		return x.AddOrg(store.Org{ID: slug, Slug: slug, Name: slug, DataKey: []byte("k"), MasterKeyID: "m", CreatedAt: time.Unix(1, 0)})
	}
}

func then(fns ...func(*tx) error) func(*tx) error {
	return func(x *tx) error {
		for _, fn := range fns {
			if err := fn(x); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestWhoWaitsIsWrittenTogether(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	refused := errors.New("refused")
	var transactions []any
	seen := func(x *tx) error {
		transactions = append(transactions, x.tx)
		return nil
	}
	c.waits(t.Context(), then(seen, org("a")), c.want(""))
	c.waits(t.Context(), then(seen, org("b"), func(*tx) error { return refused }), c.want("refused"))
	c.waits(t.Context(), then(seen, org("a")), c.want("a row with this unique value exists"))
	c.waits(t.Context(), then(seen, org("c"), func(*tx) error { panic("oh") }), func(_ error, panicked any) {
		if panicked != "oh" {
			c.Errorf("it panicked with %v, want oh", panicked)
		}
	})
	c.waits(t.Context(), then(seen, org("d")), c.want(""))
	c.end()
	c.orgs("a d")
	for _, other := range transactions {
		if len(transactions) != 5 || other != transactions[0] {
			t.Fatalf("they ran in %v, want five times in one", transactions)
		}
	}
}

// TestOneThatCannotBeCommitted: a foreign key that is judged when the transaction ends fails the commit of all.
func TestOneThatCannotBeCommitted(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	runs := 0
	dangling := func(x *tx) error {
		runs++
		if _, err := x.Run("pragma", `PRAGMA defer_foreign_keys = 1`); err != nil {
			return err
		}
		_, err := x.Run("a member", `INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ('none', 'none', 'owner', 1)`)
		return err
	}
	c.waits(t.Context(), org("a"), c.want(""))
	c.waits(t.Context(), dangling, c.want("FOREIGN KEY"))
	c.waits(t.Context(), org("b"), c.want(""))
	c.end()
	c.orgs("a b")
	if runs != 2 {
		t.Errorf("it ran %d times, want once with the others and once alone", runs)
	}
}

func TestOneThatSQLiteRefuses(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.waits(t.Context(), org("a"), c.want(""))
	c.waits(t.Context(), then(org("b"), func(x *tx) error {
		_, err := x.Run("nonsense", `INSERT INTO nowhere VALUES (1)`)
		return err
	}), c.want("no such table"))
	c.waits(t.Context(), org("c"), c.want(""))
	c.end()
	c.orgs("a c")
}

func TestWhoWaitsNoLonger(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	c.waits(t.Context(), org("a"), c.want(""))
	c.waits(ctx, func(*tx) error { t.Error("it ran"); return nil }, func(err error, _ any) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		close(left)
	})
	cancel()
	<-left // while the first is under way still
	soon, end := context.WithCancel(t.Context())
	c.waits(soon, then(org("b"), func(*tx) error { end(); return nil }), c.want("context canceled"))
	c.waits(t.Context(), org("c"), c.want(""))
	c.end()
	c.orgs("a c")
}

func TestManyUpdates(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	var all sync.WaitGroup
	const workers, rounds = 8, 25
	for w := range workers {
		all.Go(func() {
			for n := range rounds {
				slug := fmt.Sprintf("o-%d-%d", w, n)
				if err := s.Update(t.Context(), func(x store.Tx) error { return org(slug)(x.(*tx)) }); err != nil {
					t.Error(err)
				}
				// What was answered is there for everybody.
				if err := s.View(t.Context(), func(x store.Tx) error { _, err := x.OrgBySlug(slug); return err }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for until := time.Now().Add(20 * time.Second); !s.queue.rests(); <-time.After(time.Millisecond) { // who wrote for others ends after their answers
		if time.Now().After(until) {
			t.Fatal("the queue is not at rest")
		}
	}
}

func (q *queue) rests() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.writing && len(q.waiting) == 0
}
