package core

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

func TestNeedless(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	replica := func(applied, renewals int64, ago time.Duration) store.Replica {
		return store.Replica{Applied: applied, Renewals: renewals, SeenAt: now.Add(-ago)}
	}
	for name, tt := range map[string]struct {
		all  []store.Replica
		want int64
	}{
		"none":                       {nil, 0},
		"one":                        {[]store.Replica{replica(7, 1, 0)}, 7},
		"the one that is behind":     {[]store.Replica{replica(7, 1, 0), replica(3, 9, time.Second), replica(5, 1, 0)}, 3},
		"one that applied nothing":   {[]store.Replica{replica(0, 1, 0), replica(3, 9, 0)}, 0},
		"one that has joined":        {[]store.Replica{replica(7, 1, 0), replica(0, 0, 0)}, 7},
		"one that is long gone":      {[]store.Replica{replica(7, 1, 0), replica(3, 9, changesKept)}, 7},
		"one that may come back":     {[]store.Replica{replica(7, 1, 0), replica(3, 9, changesKept-1)}, 3},
		"all, but none is away long": {[]store.Replica{replica(7, 1, time.Hour), replica(3, 9, time.Hour)}, 3},
	} {
		if got := needless(tt.all); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// TestForget cuts a real log.
func TestForget(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	url := server.Database(t)
	c, err := postgres.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	update := func(fn func(tx store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	key := store.Key{ID: "key_1", OrgID: "org_1", Revision: 1}
	update(func(tx store.Tx) error {
		return errors.Join(tx.AddOrg(store.Org{ID: "org_1", DataKey: []byte{1}}), tx.AddKey(key, store.NewSecret{KeyID: "key_1", State: "current"}))
	})
	for ; key.Revision < 10; key.Revision++ { // changes 2 to 10
		update(func(tx store.Tx) error { return tx.UpdateKey(key) })
	}
	f := storeFleet{store: db}
	for id, applied := range map[string]int64{"rep_a": 10, "rep_b": 4} {
		update(func(tx store.Tx) error {
			return errors.Join(tx.AddReplica(store.Replica{ID: id}), tx.RenewReplica(id, applied))
		})
	}
	for _, step := range []struct {
		sql   string
		first int64 // that is left; 11: none
	}{
		{``, 1},
		{`UPDATE changes SET at = at - 3600000000 WHERE n <> 3`, 3},
		{`UPDATE changes SET at = at - 3600000000 WHERE n = 3`, 5},
		{`UPDATE replicas SET seen_at = seen_at - 3600000000 WHERE id = 'rep_b'`, 11},
	} {
		if step.sql != "" {
			server.Exec(t, url, step.sql)
		}
		if err := forget(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		for seen := range int64(11) {
			update(func(tx store.Tx) error {
				n, err := newsAfter(tx, seen)
				if whole := seen != 10 && seen < step.first-1; err != nil || n.last != 10 || n.whole != whole {
					return fmt.Errorf("%+v: since %d: %+v, %w", step, seen, n, err)
				}
				return nil
			})
		}
	}
}
