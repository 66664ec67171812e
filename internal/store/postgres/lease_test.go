package postgres

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

func update(t *testing.T, s *Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// orgWithKeys adds an org with keys, and returns their ids.
func orgWithKeys(t *testing.T, s *Store, n int) []string {
	t.Helper()
	at := time.Unix(1_700_000_000, 0).UTC()
	var ids []string
	update(t, s, func(tx store.Tx) error {
		ids = nil
		if err := tx.AddOrg(store.Org{ID: "org_a", Slug: "acme", Name: "Acme", DataKey: []byte{1}, MasterKeyID: "m", CreatedAt: at}); err != nil {
			return err
		}
		for i := range n {
			id := fmt.Sprintf("key_%03d", i)
			ids = append(ids, id)
			k := store.Key{ID: id, OrgID: "org_a", Name: id, FoldedName: id, CreatedAt: at, UpdatedAt: at, Revision: 1}
			sec := store.NewSecret{KeyID: id, Version: 1, State: store.StateCurrent, Digest: [32]byte{byte(i), byte(i >> 8)}, PepperID: "p", CreatedAt: at}
			if err := tx.AddKey(k, sec); err != nil {
				return err
			}
		}
		return nil
	})
	return ids
}

// TestRenewOfWhatIsKnown: a renewal in one statement counts only where nothing has changed that the replica has not applied.
func TestRenewOfWhatIsKnown(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	s := open(t, server.Database(t))
	renew := func(id string, applied int64, want bool) {
		t.Helper()
		if got, err := s.Renew(t.Context(), id, applied); err != nil || got != want {
			t.Errorf("renewed %s as of %d: %t, %v", id, applied, got, err)
		}
	}
	members := func(want int64, replicas ...store.Replica) {
		t.Helper()
		got, last, err := s.Members(t.Context())
		for i := range got {
			got[i].JoinedAt, got[i].SeenAt = time.Time{}, time.Time{}
		}
		if err != nil || last != want || !slices.Equal(got, replicas) {
			t.Errorf("%v as of %d, want %v as of %d: %v", got, last, replicas, want, err)
		}
	}
	members(0)
	update(t, s, func(tx store.Tx) error { return tx.AddReplica(store.Replica{ID: "rep_a", Name: "a", Version: "v1"}) })
	renew("rep_a", 0, true)
	renew("rep_b", 0, false)
	members(0, store.Replica{ID: "rep_a", Name: "a", Version: "v1", Renewals: 1})
	orgWithKeys(t, s, 1)
	renew("rep_a", 0, false) // something has changed
	renew("rep_a", 1, false) // it has not said that it applied it
	update(t, s, func(tx store.Tx) error { return tx.RenewReplica("rep_a", 1) })
	renew("rep_a", 1, true)
	members(1, store.Replica{ID: "rep_a", Name: "a", Version: "v1", Applied: 1, Renewals: 3})
}

// TestUseIsWrittenTogether: several processes write use of the same keys at once; none is undone, and every call counts once.
func TestUseIsWrittenTogether(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	url := server.Database(t)
	first := open(t, url)
	ids := orgWithKeys(t, first, 50)
	const processes, rounds = 3, 10
	var group sync.WaitGroup
	for p := range processes {
		s := first
		if p > 0 {
			s = open(t, url)
		}
		group.Go(func() {
			for r := range rounds {
				at := time.Unix(1_700_000_100+int64(r), 0).UTC()
				var uses []store.KeyUse
				for _, id := range ids {
					uses = append(uses, store.KeyUse{
						KeyID: id, Secrets: []store.SecretUse{{Version: 1, At: at}}, Minutes: []store.MinuteUse{{Minute: 100, Calls: 2}},
						Callers: []store.CallerUse{{Agent: fmt.Sprint("process ", p), At: at}},
					})
				}
				if p%2 == 1 {
					slices.Reverse(uses)
				}
				if err := s.RecordUses(t.Context(), uses); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	err := first.View(t.Context(), func(tx store.Tx) error {
		for _, id := range ids {
			sum, err := tx.KeyUse(id, store.UseWindow{})
			if err != nil {
				return err
			}
			k, err := tx.Key("org_a", id)
			if err != nil {
				return err
			}
			last := time.Unix(1_700_000_100+rounds-1, 0).UTC()
			if sum.Day != 2*processes*rounds || len(sum.Callers) != processes || !k.LastUsedAt.Equal(last) || !k.Secrets[0].LastUsedAt.Equal(last) {
				t.Errorf("%s: %+v, last used at %s", id, sum, k.LastUsedAt)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
