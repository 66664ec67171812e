package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

// testKeyChanges: what changes what a known secret opens is counted when it is committed, and nothing else is.
func testKeyChanges(t *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	count := func(of func(func(store.Tx) error)) (n store.KeyChanges) {
		of(func(tx store.Tx) (err error) {
			n, err = tx.KeyChanges()
			return err
		})
		return n
	}
	next := store.NewSecret{
		KeyID: k.ID, Version: 2, State: store.StateNext, Hint: "kf_…next", Digest: sha256.Sum256([]byte("next")), PepperID: "p1", CreatedAt: at(60),
	}
	revision := int64(0)
	for _, tt := range []struct {
		name           string
		fn             func(store.Tx) error
		changed, added bool
	}{
		{"update", func(tx store.Tx) error { revision++; k.Revision = revision; return tx.UpdateKey(k) }, true, false},
		{"use", func(tx store.Tx) error {
			return tx.RecordUses([]store.KeyUse{{
				KeyID: k.ID, Secrets: []store.SecretUse{{Version: 1, At: at(70)}}, Minutes: []store.MinuteUse{{Minute: 1, Calls: 1}},
				Callers: []store.CallerUse{{Agent: "curl", At: at(70)}},
			}})
		}, false, false},
		{"another secret", func(tx store.Tx) error { return tx.AddSecret(next) }, false, true},
		{"a secret's state", func(tx store.Tx) error {
			s := shownSecret(next)
			s.ExpiresAt = at(80)
			return tx.ChangeSecret(s, store.StateNext)
		}, true, false},
		{"a secret retired", func(tx store.Tx) error { return tx.RetireSecret(k.ID, 2, at(90)) }, true, false},
		{"another key", func(tx store.Tx) error { return tx.AddKey(f.newKey(acme.ID, "cd")) }, false, true},
		{"another org", func(tx store.Tx) error {
			o := acme
			o.ID, o.Slug = "org_beta", "beta"
			return tx.AddOrg(o)
		}, false, false},
		{"delete", func(tx store.Tx) error { revision++; k.Revision = revision; return tx.DeleteKey(k, at(99)) }, true, false},
	} {
		before, within := count(f.view), store.KeyChanges{}
		f.update(func(tx store.Tx) (err error) {
			if err := tt.fn(tx); err != nil {
				return err
			}
			within, err = tx.KeyChanges()
			return err
		})
		after := count(f.view)
		if after != within || (after.Changed > before.Changed) != tt.changed || after.Changed < before.Changed ||
			(after.Added > before.Added) != tt.added || after.Added < before.Added {
			t.Errorf("%s: counted %v before, %v in the transaction, %v after", tt.name, before, within, after)
		}
	}
}

// testDigestLists: of all secrets, by pages, and of one key, retired or not.
func testDigestLists(t *testing.T, f *fixture) {
	acme := f.org("acme")
	want := map[bool][][32]byte{}
	var ci store.Key
	for i := range 7 {
		k, s := f.newKey(acme.ID, fmt.Sprint("key", i))
		f.update(func(tx store.Tx) error { return tx.AddKey(k, s) })
		want[false] = append(want[false], s.Digest)
		ci = k
	}
	retired := store.NewSecret{
		KeyID: ci.ID, Version: 2, State: store.StateNext, Hint: "kf_…next", Digest: sha256.Sum256([]byte("next")), PepperID: "p1", CreatedAt: at(60),
	}
	f.update(func(tx store.Tx) error { return tx.AddSecret(retired) })
	f.update(func(tx store.Tx) error { return tx.RetireSecret(ci.ID, 2, at(90)) })
	want[true] = [][32]byte{retired.Digest}
	order := func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) }
	for kind, list := range want {
		slices.SortFunc(list, order)
		var got [][32]byte
		for after, more := ([32]byte{}), true; more; {
			f.view(func(tx store.Tx) error {
				page, err := tx.Digests(kind, after, 3)
				got = append(got, page...)
				if more = len(page) == 3; more {
					after = page[2]
				}
				return err
			})
		}
		f.equal("digests", got, list)
	}
	for id, n := range map[string]int{ci.ID: 2, "key_none": 0} {
		f.view(func(tx store.Tx) error {
			list, err := tx.KeyDigests(id)
			if len(list) != n || n == 2 && !slices.Contains(list, retired.Digest) {
				t.Errorf("%s: %d digests", id, len(list))
			}
			return err
		})
	}
}

// testChangeLog: changes since a number are all there, in order and without a gap, or the store says that they are gone.
func testChangeLog(t *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	f.update(func(tx store.Tx) error { return tx.UpdateKey(k) })
	f.view(func(tx store.Tx) error {
		last, err := tx.LastChange()
		if err != nil {
			return err
		}
		none, err := tx.ChangesSince(last, 10)
		f.equal("since the last", none, []store.Change(nil))
		if err != nil {
			return err
		}
		all, err := tx.ChangesSince(0, 10)
		if errors.Is(err, store.ErrChangesGone) { // one that keeps none
			return nil
		}
		for i := range all {
			if all[i].At.IsZero() {
				t.Error("a change has no time")
			}
			all[i].At = k.CreatedAt
		}
		f.equal("since the start", all, []store.Change{
			{N: 1, Kind: store.ChangeAdded, OrgID: acme.ID, KeyID: k.ID, At: k.CreatedAt},
			{N: 2, Kind: store.ChangeKey, OrgID: acme.ID, KeyID: k.ID, At: k.CreatedAt},
		})
		f.equal("last", last, int64(2))
		return err
	})
}
