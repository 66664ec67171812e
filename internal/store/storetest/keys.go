package storetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

func testKey(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	plain := f.key(acme.ID, "plain")
	k, s := f.newKey(acme.ID, "Straße’s 鍵")
	k.ExpiresAt, s.ExpiresAt, s.Sealed, k.Tags, k.Disabled, k.Rate = at(500), at(400), nil, nil, true, store.RateLimit{Requests: 100, Seconds: 60}
	f.update(func(tx store.Tx) error { return tx.AddKey(k, s) })
	k.Secrets = []store.Secret{shownSecret(s)}

	f.equal("key", f.getKey(acme.ID, plain.ID), plain)
	f.equal("key with everything", f.getKey(acme.ID, k.ID), k)
	f.view(func(tx store.Tx) error {
		byName, err := tx.KeyByName(acme.ID, "Straße’s 鍵")
		f.equal("by name", byName, k)
		held, err2 := tx.KeyByDigest(s.Digest)
		f.equal("by digest", held, store.Holder{Org: acme, Key: k, Version: 1})
		sealed, err3 := tx.SealedSecret(plain.ID, 1)
		f.equal("sealed", sealed, []byte("sealed "+plain.ID))
		f.equal("errors", []error{err, err2, err3}, make([]error, 3))
		return nil
	})
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.Key(beta.ID, k.ID); return err },
		func(tx store.Tx) error { _, err := tx.Key(acme.ID, "plain"); return err },
		func(tx store.Tx) error { _, err := tx.KeyByName(beta.ID, "plain"); return err },
		func(tx store.Tx) error { _, err := tx.KeyByName(acme.ID, "pl%"); return err },
		func(tx store.Tx) error { _, err := tx.KeyByDigest(sha256.Sum256(nil)); return err },
		func(tx store.Tx) error { _, err := tx.SealedSecret(k.ID, 1); return err },
		func(tx store.Tx) error { _, err := tx.SealedSecret(plain.ID, 2); return err },
	} {
		f.viewErr(store.ErrNotFound, missing)
	}
}

func testNames(t *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	first := f.key(acme.ID, "ci")
	f.key(beta.ID, "ci")
	add := func(tx store.Tx) error { return tx.AddKey(f.newKey(acme.ID, "ci")) }
	f.updateErr(store.ErrExists, add)
	other := f.key(acme.ID, "cd")
	other.FoldedName = "ci"
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.UpdateKey(other) })
	f.update(func(tx store.Tx) error { return tx.DeleteKey(first, at(99)) })
	if err := f.store.Update(t.Context(), add); err != nil {
		t.Errorf("the name of a deleted key is not free: %v", err)
	}
}

func testDigests(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	old := f.key(acme.ID, "ci")
	f.update(func(tx store.Tx) error { return tx.DeleteKey(old, at(99)) })
	f.updateErr(store.ErrExists, func(tx store.Tx) error {
		k, s := f.newKey(beta.ID, "ci")
		s.Digest = sha256.Sum256([]byte(old.ID))
		return tx.AddKey(k, s)
	})
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
		_, err := tx.KeyByName(beta.ID, "ci")
		return err
	})
}

func testUpdate(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	stale := k
	k.Name, k.FoldedName, k.Disabled, k.Tags, k.ExpiresAt, k.UpdatedAt = "CD", "cd", true, map[string]string{"a": "b"}, at(900), at(50)
	k.Rate = store.RateLimit{Requests: 1_000_000, Seconds: 86_400}
	f.update(func(tx store.Tx) error { return tx.UpdateKey(k) })
	k.Revision = 2
	f.equal("updated", f.getKey(acme.ID, k.ID), k)
	f.updateErr(store.ErrConflict, func(tx store.Tx) error { return tx.UpdateKey(stale) })
	f.updateErr(store.ErrConflict, func(tx store.Tx) error { return tx.DeleteKey(stale, at(51)) })
	k.ExpiresAt, k.Disabled, k.Rate = time.Time{}, false, store.RateLimit{}
	f.update(func(tx store.Tx) error { return tx.UpdateKey(k) })
	k.Revision = 3
	f.equal("without expiry", f.getKey(acme.ID, k.ID), k)
}

func testDelete(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k, kept := f.key(acme.ID, "ci"), f.key(acme.ID, "cd")
	f.update(func(tx store.Tx) error { return tx.DeleteKey(k, at(99)) })
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.Key(acme.ID, k.ID); return err },
		func(tx store.Tx) error { _, err := tx.KeyByName(acme.ID, "ci"); return err },
		func(tx store.Tx) error { _, err := tx.SealedSecret(k.ID, 1); return err },
	} {
		f.viewErr(store.ErrNotFound, missing)
	}
	f.view(func(tx store.Tx) error {
		held, err := tx.KeyByDigest(sha256.Sum256([]byte(k.ID)))
		want := k
		want.DeletedAt, want.UpdatedAt, want.Revision = at(99), at(99), 2
		want.Secrets[0].Sealed = false
		f.equal("the digest is kept", held, store.Holder{Org: acme, Key: want, Version: 1})
		page, err2 := tx.Keys(acme.ID, store.KeyFilter{Limit: 10, Now: at(0)})
		f.equal("list", page, []store.Key{kept})
		f.equal("errors", []error{err, err2}, make([]error, 2))
		return nil
	})
	k.Revision = 2
	f.updateErr(store.ErrConflict, func(tx store.Tx) error { return tx.DeleteKey(k, at(100)) })
	f.updateErr(store.ErrConflict, func(tx store.Tx) error { return tx.UpdateKey(k) })
}

func testStatuses(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	now := at(100)
	add := func(name string, disabled bool, expires time.Time) {
		k, s := f.newKey(acme.ID, name)
		k.Disabled, k.ExpiresAt = disabled, expires
		f.update(func(tx store.Tx) error { return tx.AddKey(k, s) })
	}
	add("on", false, time.Time{})
	add("off", true, time.Time{})
	add("on until later", false, now.Add(time.Microsecond))
	add("just over", false, now)
	add("off and over", true, at(99))
	for status, want := range map[store.KeyStatus][]string{
		store.AnyStatus: {"on", "off", "on until later", "just over", "off and over"},
		store.Enabled:   {"on", "on until later"},
		store.Disabled:  {"off", "off and over"},
		store.Expired:   {"just over"},
	} {
		var got []string
		f.view(func(tx store.Tx) error {
			page, err := tx.Keys(acme.ID, store.KeyFilter{Limit: 10, Status: status, Now: now})
			for _, k := range page {
				got = append(got, k.Name)
			}
			return err
		})
		f.equal("keys of a status", got, want)
	}
}

func testActiveKey(_ *testing.T, f *fixture) {
	acme, beta := f.org("acme"), f.org("beta")
	now := at(1000)
	f.key(beta.ID, "of another org")
	active := func() (name string, err error) {
		err = f.store.View(f.Context(), func(tx store.Tx) error {
			k, err := tx.ActiveKey(acme.ID, now)
			name = k.Name
			return err
		})
		return name, err
	}
	want := func(name string) {
		f.Helper()
		got, err := active()
		f.equal("active key", got, name)
		f.equal("error", err, nil)
	}
	f.viewErr(store.ErrNotFound, func(tx store.Tx) error {
		_, err := tx.ActiveKey(acme.ID, now)
		return err
	})
	old, young := f.key(acme.ID, "old"), f.key(acme.ID, "young")
	want("young")
	f.update(func(tx store.Tx) error { return tx.RecordUses(lastUse(old.ID, 5)) })
	want("old")
	f.update(func(tx store.Tx) error { return tx.RecordUses(lastUse(young.ID, 6)) })
	want("young")
	for _, spoil := range []func(*store.Key, *store.NewSecret){
		func(k *store.Key, _ *store.NewSecret) { k.Disabled = true },
		func(k *store.Key, _ *store.NewSecret) { k.ExpiresAt = now },
		func(_ *store.Key, s *store.NewSecret) { s.Sealed = nil },
	} {
		k, s := f.newKey(acme.ID, "unfit")
		k.FoldedName = k.ID
		spoil(&k, &s)
		f.update(func(tx store.Tx) error {
			if err := tx.AddKey(k, s); err != nil {
				return err
			}
			return tx.RecordUses(lastUse(k.ID, 900))
		})
		want("young")
	}
	f.update(func(tx store.Tx) error { return tx.DeleteKey(young, at(7)) })
	want("old")
}
