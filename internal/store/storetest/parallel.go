package storetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

const parallel = 16

// race runs fn in parallel and returns its errors.
func race(fn func(i int) error) []error {
	errs := make([]error, parallel)
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range parallel {
		group.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

// oneWon fails unless one of the errors is nil and all others are lost.
func oneWon(t *testing.T, errs []error, lost error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			t.Errorf("got %v, want %v", err, lost)
		}
	}
	if won != 1 {
		t.Errorf("%d won, want 1", won)
	}
}

func testParallelCreates(t *testing.T, f *fixture) {
	acme := f.org("acme")
	keys, secrets := make([]store.Key, parallel), make([]store.NewSecret, parallel)
	for i := range parallel {
		keys[i], secrets[i] = f.newKey(acme.ID, "ci")
	}
	oneWon(t, race(func(i int) error {
		return f.store.Update(t.Context(), func(tx store.Tx) error { return tx.AddKey(keys[i], secrets[i]) })
	}), store.ErrExists)
	f.view(func(tx store.Tx) error {
		page, err := tx.Keys(acme.ID, store.KeyFilter{Limit: parallel, Now: at(0)})
		f.equal("number of keys", len(page), 1)
		return err
	})
}

func testParallelUpdates(t *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	oneWon(t, race(func(i int) error {
		mine := k
		mine.Tags = map[string]string{"by": string(rune('a' + i))}
		return f.store.Update(t.Context(), func(tx store.Tx) error { return tx.UpdateKey(mine) })
	}), store.ErrConflict)
	f.equal("revision", f.getKey(acme.ID, k.ID).Revision, int64(2))

	// Read and write in one transaction: no update is lost.
	for _, err := range race(func(int) error {
		return f.store.Update(t.Context(), func(tx store.Tx) error {
			k, err := tx.Key(acme.ID, k.ID)
			if err != nil {
				return err
			}
			return tx.UpdateKey(k)
		})
	}) {
		f.equal("error", err, nil)
	}
	f.equal("revision", f.getKey(acme.ID, k.ID).Revision, int64(2+parallel))
}

// testVisibility disables keys while others read: a view that starts after the update returned must see it.
func testVisibility(t *testing.T, f *fixture) {
	acme := f.org("acme")
	keys := make([]store.Key, parallel)
	for i := range keys {
		keys[i] = f.key(acme.ID, string(rune('a'+i)))
	}
	for _, err := range race(func(i int) error {
		mine := keys[i]
		for range 20 {
			mine.Disabled = !mine.Disabled
			if err := f.store.Update(t.Context(), func(tx store.Tx) error { return tx.UpdateKey(mine) }); err != nil {
				return err
			}
			mine.Revision++
			err := f.store.View(t.Context(), func(tx store.Tx) error {
				got, err := tx.Key(acme.ID, mine.ID)
				if err == nil && (got.Disabled != mine.Disabled || got.Revision != mine.Revision) {
					return errors.New("an acknowledged update is not seen")
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		f.equal("error", err, nil)
	}
}
