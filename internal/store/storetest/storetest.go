// Package storetest is what every store.Store must pass. It must not know any of them.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyfob/keyfob/internal/store"
)

// Run runs the suite. open returns an empty store, which the suite does not close; it is called once for each test.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	tests := []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"material", testMaterial},
		{"orgs and members", testOrgs},
		{"users", testUsers},
		{"changes of a user", testUserUpdates},
		{"members", testMembers},
		{"sessions", testSessions},
		{"sessions of a user", testSessionsOfUser},
		{"old sessions go", testSessionsPruned},
		{"invitations", testInvitations},
		{"invitations that are closed", testInvitationsClosed},
		{"old invitations go", testInvitationsPruned},
		{"device grants", testGrants},
		{"device grants are counted", testGrantsCounted},
		{"old device grants go", testGrantsPruned},
		{"tries", testTries},
		{"old tries go", testTriesPruned},
		{"a key and its secret", testKey},
		{"names are unique among keys that are not deleted", testNames},
		{"digests are unique", testDigests},
		{"update", testUpdate},
		{"delete", testDelete},
		{"pages", testPages},
		{"orders", testOrders},
		{"filters", testFilters},
		{"tags follow their key", testTagsFollow},
		{"statuses", testStatuses},
		{"last uses", testUses},
		{"last uses of an org", testLastUses},
		{"journal of use", testUseJournal},
		{"calls by hour", testHours},
		{"calls and callers", testCalls},
		{"callers that are kept", testCallersKept},
		{"what is old goes", testPrune},
		{"answers", testAnswers},
		{"active key", testActiveKey},
		{"events", testEvents},
		{"events that are looked for", testEventFilters},
		{"an error undoes the transaction", testRollback},
		{"a view is of one moment and can't write", testView},
		{"a context that has ended", testContext},
		{"ping", testPing},
		{"a rotation", testRotation},
		{"one rotation is open", testOneOpenRotation},
		{"rotations that are due", testDueRotations},
		{"a secret takes the place of another", testSecretsChange},
		{"use of a retired secret", testRetiredUse},
		{"changes of keys are counted", testKeyChanges},
		{"digests are listed", testDigestLists},
		{"the log of changes", testChangeLog},
		{"replicas and their leases", testReplicas},
		{"counts", testCounts},
		{"old changes go", testChangesPruned},
		{"sealed secrets under other peppers", testSealedUnderOthers},
		{"digests take others' places", testMoves},
		{"use of peppers", testPepperUses},
		{"peppers are counted", testPepperCounted},
		{"a deleted key's rotation", testRotationOfDeletedKey},
		{"trust rules", testTrustRules},
		{"sessions and tokens of jobs", testTrustSessions},
		{"keys by patterns of names", testKeyNames},
		{"parallel creates of one name", testParallelCreates},
		{"parallel updates of one revision", testParallelUpdates},
		{"parallel use of one device grant", testParallelGrant},
		{"parallel use of one invitation", testParallelInvitations},
		{"what was committed is seen at once", testVisibility},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t, &fixture{T: t, store: open(t)})
		})
	}
}

// fixture is a store and short ways to use it; what fails ends the test.
type fixture struct {
	*testing.T
	store store.Store
	made  int
}

// at is n seconds after the start of the tests' time, which has microseconds.
func at(n int) time.Time {
	return time.Date(2031, 2, 3, 4, 5, 6, 789_012_000, time.UTC).Add(time.Duration(n) * time.Second)
}

func (f *fixture) update(fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.Update(f.Context(), fn); err != nil {
		f.Fatalf("update: %v", err)
	}
}

// updateErr runs an update that must answer want.
func (f *fixture) updateErr(want error, fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.Update(f.Context(), fn); !errors.Is(err, want) {
		f.Fatalf("update: got %v, want %v", err, want)
	}
}

func (f *fixture) view(fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.View(f.Context(), fn); err != nil {
		f.Fatalf("view: %v", err)
	}
}

func (f *fixture) viewErr(want error, fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.View(f.Context(), fn); !errors.Is(err, want) {
		f.Fatalf("view: got %v, want %v", err, want)
	}
}

func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// org adds an org.
func (f *fixture) org(slug string) store.Org {
	f.Helper()
	o := store.Org{
		ID: "org_" + slug, Slug: slug, Name: "The " + slug, Recoverable: true,
		DataKey: []byte{0, 1, 255}, MasterKeyID: "m1", CreatedAt: at(0),
	}
	f.update(func(tx store.Tx) error { return tx.AddOrg(o) })
	return o
}

// newKey returns a key that is not added yet and its secret, unlike all before.
func (f *fixture) newKey(org, name string) (store.Key, store.NewSecret) {
	f.made++
	id := fmt.Sprintf("key_%04d", f.made)
	k := store.Key{
		ID: id, OrgID: org, Name: name, FoldedName: name, Tags: map[string]string{"team": "a\"b", "<": ""},
		CreatedAt: at(f.made), CreatedBy: store.Actor{Type: "user", ID: "usr_1", Name: "Ada"}, UpdatedAt: at(f.made), Revision: 1,
	}
	s := store.NewSecret{
		KeyID: id, Version: 1, State: store.StateCurrent, Hint: "kf_…" + id[4:], Digest: sha256.Sum256([]byte(id)),
		PepperID: "p1", Sealed: []byte("sealed " + id), CreatedAt: at(f.made),
	}
	return k, s
}

// key adds a key and returns it as it must be read.
func (f *fixture) key(org, name string) store.Key {
	f.Helper()
	k, s := f.newKey(org, name)
	f.update(func(tx store.Tx) error { return tx.AddKey(k, s) })
	k.Secrets = []store.Secret{shownSecret(s)}
	return k
}

func shownSecret(s store.NewSecret) store.Secret {
	return store.Secret{
		KeyID: s.KeyID, Version: s.Version, State: s.State, Hint: s.Hint, Sealed: s.Sealed != nil,
		CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt,
	}
}

func (f *fixture) getKey(org, id string) (k store.Key) {
	f.Helper()
	f.view(func(tx store.Tx) (err error) {
		k, err = tx.Key(org, id)
		return err
	})
	return k
}

func testRollback(t *testing.T, f *fixture) {
	undo := errors.New("undo")
	err := f.store.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.AddUser(store.User{ID: "usr_1", Name: "Ada", CreatedAt: at(0)}); err != nil {
			return err
		}
		if _, err := tx.User("usr_1"); err != nil {
			t.Errorf("a transaction must see its own writes: %v", err)
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatalf("got %v, want the error of fn", err)
	}
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
		_, err := tx.User("usr_1")
		return err
	})
}

func testView(t *testing.T, f *fixture) {
	f.view(func(tx store.Tx) error {
		if _, err := tx.User("usr_1"); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("got %v", err)
		}
		f.update(func(tx store.Tx) error { return tx.AddUser(store.User{ID: "usr_1", Name: "Ada", CreatedAt: at(0)}) })
		if _, err := tx.User("usr_1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a view sees a later write: %v", err)
		}
		return nil
	})
	err := f.store.View(t.Context(), func(tx store.Tx) error {
		return tx.AddUser(store.User{ID: "usr_2", Name: "Bo", CreatedAt: at(0)})
	})
	if err == nil {
		t.Error("a view can write")
	}
}

func testContext(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	err := f.store.Update(ctx, func(tx store.Tx) error {
		if err := tx.AddUser(store.User{ID: "usr_1", Name: "Ada", CreatedAt: at(0)}); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("update: got %v, want %v", err, context.Canceled)
	}
	nothing := func(store.Tx) error { return errors.New("fn was called") }
	for name, err := range map[string]error{
		"view": f.store.View(ctx, nothing), "update": f.store.Update(ctx, nothing), "ping": f.store.Ping(ctx),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
		_, err := tx.User("usr_1")
		return err
	})
}

func testPing(t *testing.T, f *fixture) {
	for range 2 {
		if err := f.store.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
