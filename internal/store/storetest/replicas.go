package storetest

import (
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
		if s.Schema < 1 || s.Keys != 0 || s.Secrets != 0 || time.Since(s.Now).Abs() > time.Hour {
			t.Errorf("state %+v", s)
		}
		return err
	})
	f.update(func(tx store.Tx) error { return tx.RemoveReplica("rep_a", 2) })
	f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.RenewReplica("rep_a", 10) })
}
