package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// testReplicas: leases are renewed by who holds them, and taken away only from who did not renew since.
func testReplicas(t *testing.T, f *fixture) {
	for _, id := range []string{"rep_b", "rep_a"} {
		f.update(func(tx store.Tx) error {
			return tx.AddReplica(store.Replica{ID: id, Name: "host " + id, Version: "v1"})
		})
	}
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddReplica(store.Replica{ID: "rep_a"}) })
	f.update(func(tx store.Tx) error { return tx.RenewReplica("rep_a", 7) })
	f.update(func(tx store.Tx) error { return tx.RenewReplica("rep_a", 9) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.RenewReplica("rep_c", 7) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.RemoveReplica("rep_a", 1) })
	want := []store.Replica{
		{ID: "rep_a", Name: "host rep_a", Version: "v1", Applied: 9, Renewals: 2}, {ID: "rep_b", Name: "host rep_b", Version: "v1"},
	}
	f.view(func(tx store.Tx) error {
		got, err := tx.Replicas()
		for i := range got {
			if got[i].SeenAt.Before(got[i].JoinedAt) || time.Since(got[i].SeenAt).Abs() > time.Hour {
				t.Errorf("joined at %s, seen at %s", got[i].JoinedAt, got[i].SeenAt)
			}
			got[i].JoinedAt, got[i].SeenAt = time.Time{}, time.Time{}
		}
		f.equal("replicas", got, want)
		return err
	})
	f.view(func(tx store.Tx) error {
		s, err := tx.State()
		if s.Schema < 1 || s.Since < 1 || s.Since > s.Schema || time.Since(s.Now).Abs() > time.Hour {
			t.Errorf("state %+v", s)
		}
		return err
	})
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.FlushedReplica("rep_c", time.Second) })
	f.update(func(tx store.Tx) error { return tx.FlushedReplica("rep_a", time.Minute) })
	f.view(func(tx store.Tx) error {
		s, err := tx.State()
		if err != nil {
			return err
		}
		all, err := tx.Replicas()
		if ago := s.Now.Sub(all[0].FlushedAt); ago < time.Minute || ago > time.Hour || all[0].Renewals != 2 || !all[1].FlushedAt.IsZero() {
			t.Errorf("flushed %s ago: %+v", ago, all)
		}
		return err
	})
	f.update(func(tx store.Tx) error { return tx.RemoveReplica("rep_a", 2) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.RenewReplica("rep_a", 10) })
}

// testCounts: keys that are deleted and secrets that are retired don't count.
func testCounts(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	f.key(acme.ID, "ci")
	gone := f.key(acme.ID, "cd")
	f.update(func(tx store.Tx) error { return tx.DeleteKey(gone, at(1)) })
	f.update(func(tx store.Tx) error { return tx.RetireSecret(gone.ID, 1, at(1)) })
	f.view(func(tx store.Tx) error {
		keys, secrets, err := tx.CountKeys()
		f.equal("counts", []int64{keys, secrets}, []int64{1, 1})
		return err
	})
}

// testChangesPruned: the log of changes loses its beginning alone, and says so to who would need it. A store that keeps no log has
// nothing to lose.
func testChangesPruned(t *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci") // change 1
	for range 9 {
		f.update(func(tx store.Tx) error { return tx.UpdateKey(k) })
		k.Revision++
	}
	f.view(func(tx store.Tx) error {
		_, err := tx.ChangesSince(0, 1)
		if errors.Is(err, store.ErrChangesGone) {
			t.Skip("it keeps no log")
		}
		return err
	})
	for _, step := range []struct {
		upto        int64
		kept        time.Duration
		limit, gone int
		first       int64 // that is kept
	}{
		{10, time.Hour, 100, 0, 1},
		{0, 0, 100, 0, 1},
		{3, 0, 100, 3, 4},
		{3, 0, 100, 0, 4},
		{8, -time.Hour, 2, 2, 6},
		{100, 0, 100, 5, 11},
	} {
		f.update(func(tx store.Tx) error {
			gone, err := tx.PruneChanges(step.upto, step.kept, step.limit)
			f.equal("removed", gone, step.gone)
			return err
		})
		f.view(func(tx store.Tx) error {
			for n := range int64(10) {
				list, err := tx.ChangesSince(n, 100)
				if whole := err == nil && len(list) == int(10-n); n+1 >= step.first != whole || !whole && !errors.Is(err, store.ErrChangesGone) {
					t.Errorf("%+v: since %d: %d changes, %v", step, n, len(list), err)
				}
			}
			last, err := tx.LastChange()
			f.equal("last", last, int64(10))
			return err
		})
	}
}
