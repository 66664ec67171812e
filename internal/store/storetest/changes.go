package storetest

import (
	"crypto/sha256"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

// testKeyChanges: what changes what a known secret opens is counted when it is committed, and nothing else is.
func testKeyChanges(t *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	count := func(of func(func(store.Tx) error)) (n int64) {
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
		name  string
		fn    func(store.Tx) error
		count bool
	}{
		{"update", func(tx store.Tx) error { revision++; k.Revision = revision; return tx.UpdateKey(k) }, true},
		{"use", func(tx store.Tx) error {
			return tx.RecordUses([]store.KeyUse{{
				KeyID: k.ID, Secrets: []store.SecretUse{{Version: 1, At: at(70)}}, Minutes: []store.MinuteUse{{Minute: 1, Calls: 1}},
				Callers: []store.CallerUse{{Agent: "curl", At: at(70)}},
			}})
		}, false},
		{"another secret", func(tx store.Tx) error { return tx.AddSecret(next) }, false},
		{"a secret's state", func(tx store.Tx) error {
			s := shownSecret(next)
			s.ExpiresAt = at(80)
			return tx.ChangeSecret(s, store.StateNext)
		}, true},
		{"a secret retired", func(tx store.Tx) error { return tx.RetireSecret(k.ID, 2, at(90)) }, true},
		{"another key", func(tx store.Tx) error { return tx.AddKey(f.newKey(acme.ID, "cd")) }, false},
		{"another org", func(tx store.Tx) error {
			o := acme
			o.ID, o.Slug = "org_beta", "beta"
			return tx.AddOrg(o)
		}, false},
		{"delete", func(tx store.Tx) error { revision++; k.Revision = revision; return tx.DeleteKey(k, at(99)) }, true},
	} {
		before, within := count(f.view), int64(0)
		f.update(func(tx store.Tx) (err error) {
			if err := tt.fn(tx); err != nil {
				return err
			}
			within, err = tx.KeyChanges()
			return err
		})
		after := count(f.view)
		if after != within || (after > before) != tt.count || after < before {
			t.Errorf("%s: counted %d before, %d in the transaction, %d after", tt.name, before, within, after)
		}
	}
}
