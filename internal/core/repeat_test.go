package core_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestACreateCanBeRepeated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	create := func(in core.NewKey) (core.Key, secret.Secret, bool, error) {
		return f.svc.CreateKey(t.Context(), f.owner, "acme", in)
	}
	in := core.NewKey{Name: "e\u0301", Tags: map[string]string{"a": "1", "b": "2"}, ExpiresAt: f.clock.now().Add(time.Minute), Idempotency: "one"}
	made, sec, replayed, err := create(in)
	f.must(err)
	f.equal("first", replayed, false)
	same := in
	same.Name = "\u00e9" // the same name, in NFC
	again := func() core.Key {
		f.Helper()
		k, s, replayed, err := f.svc.CreateKey(t.Context(), f.owner, f.org.ID, same)
		f.must(err)
		f.equal("again", replayed, true)
		f.equal("secret", s.Reveal(), sec.Reveal())
		return k
	}
	f.equal("the same key", again(), made)
	f.equal("one event", f.events(made.ID), []string{"key.created"})
	f.clock.move(time.Hour) // past its expiry
	f.equal("expired by now", again().Status, api.StatusExpired)
	name := "renamed"
	_, err = f.svc.UpdateKey(t.Context(), f.owner, "acme", made.ID, core.KeyPatch{Name: &name}, 0)
	f.must(err)
	f.equal("as it is now", again().Name, "renamed")

	for what, change := range map[string]func(*core.NewKey){
		"name":        func(k *core.NewKey) { k.Name = "other" },
		"case":        func(k *core.NewKey) { k.Name = "\u00c9" },
		"tag":         func(k *core.NewKey) { k.Tags = map[string]string{"a": "1", "b": "3"} },
		"no tags":     func(k *core.NewKey) { k.Tags = nil },
		"expiry":      func(k *core.NewKey) { k.ExpiresAt = k.ExpiresAt.Add(time.Second) },
		"no expiry":   func(k *core.NewKey) { k.ExpiresAt = time.Time{} },
		"late expiry": func(k *core.NewKey) { k.ExpiresAt = f.clock.now().Add(time.Hour) },
	} {
		other := in
		change(&other)
		_, _, _, err := create(other)
		if err == nil {
			t.Errorf("%s: it is taken for the same request", what)
		}
		f.refused(err, api.CodeIdempotency, "used for another key")
	}
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", made.ID, core.DeleteKey{}))
	_, _, _, err = create(in)
	f.refused(err, api.CodeKeyNotFound, "the key that the first request with this idempotency key made was deleted")
	in.ExpiresAt = time.Time{}
	in.Idempotency = "two"
	second, _, _, err := create(in)
	f.must(err)
	if second.ID == made.ID {
		t.Error("another idempotency key made no other key")
	}
}

func TestRepeatsAreOfOneUserAndOrgAndDay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	in := core.NewKey{Name: "ci", Idempotency: "x"}
	made, _ := f.create(in)
	_, bo, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"})
	f.must(err)
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.AddMembership(store.Membership{OrgID: f.org.ID, UserID: bo.ID, Role: string(api.RoleAdmin), CreatedAt: f.clock.now()})
	}))
	_, p := f.signIn(bo)
	_, _, replayed, err := f.svc.CreateKey(t.Context(), p, "beta", in)
	f.must(err)
	f.equal("another org", replayed, false)
	_, _, _, err = f.svc.CreateKey(t.Context(), p, "acme", in)
	f.refused(err, api.CodeNameTaken, "taken") // not the other user's secret
	_, anew := f.signIn(f.owner.User)
	same, _, replayed, err := f.svc.CreateKey(t.Context(), anew, "acme", in)
	f.must(err)
	f.equal("the same user's other session", replayed && same.ID == made.ID, true)

	f.clock.move(24*time.Hour - time.Microsecond)
	_, _, replayed, err = f.svc.CreateKey(t.Context(), f.owner, "acme", in)
	f.must(err)
	f.equal("within a day", replayed, true)
	f.clock.move(time.Microsecond)
	_, _, _, err = f.svc.CreateKey(t.Context(), f.owner, "acme", in)
	f.refused(err, api.CodeNameTaken, "taken")
	in.Name = "cd"
	_, _, replayed, err = f.svc.CreateKey(t.Context(), f.owner, "acme", in) // in the place of the expired answer
	f.must(err)
	f.equal("a day later", replayed, false)
}

// TestARefusedCreateIsNotKept: what did not happen can be asked for again.
func TestARefusedCreateIsNotKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	taken, _ := f.create(core.NewKey{Name: "ci"})
	in := core.NewKey{Name: "ci", Idempotency: "x"}
	_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", in)
	f.refused(err, api.CodeNameTaken, "taken")
	late := core.NewKey{Name: "late", Idempotency: "y", ExpiresAt: f.clock.now()}
	_, _, _, err = f.svc.CreateKey(t.Context(), f.owner, "acme", late)
	f.refused(err, api.CodeInvalidRequest, "is not in the future")
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", taken.ID, core.DeleteKey{}))
	_, _, replayed, err := f.svc.CreateKey(t.Context(), f.owner, "acme", in)
	f.must(err)
	f.equal("it was made now", replayed, false)
	for name, key := range map[string]string{
		"too long": strings.Repeat("a", 256), "control": "a\nb", "DEL": "a\x7f", "not ASCII": "é", "10 KiB": strings.Repeat("a", 10<<10),
	} {
		_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: name, Idempotency: key})
		f.refused(err, api.CodeInvalidRequest, "the idempotency key is not 1 to 255")
	}
	f.create(core.NewKey{Name: "longest", Idempotency: strings.Repeat("~", 255)})
}

func TestParallelRepeatsMakeOneKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const clients = 100
	type answer struct{ id, secret string }
	answers := make([]answer, clients)
	made := make([]bool, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			k, sec, replayed, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: "ci", Idempotency: "x"})
			if err != nil {
				t.Error(err)
			}
			answers[i], made[i] = answer{k.ID, sec.Reveal()}, !replayed
		})
	}
	group.Wait()
	first := 0
	for i := range clients {
		if answers[i] != answers[0] {
			t.Errorf("answer %d: %v", i, answers[i].id)
		}
		if made[i] {
			first++
		}
	}
	f.equal("made", first, 1)
	f.equal("keys", f.names(core.ListKeys{}), []string{"ci"})
}

// TestKeptAnswersAreSealed looks at the database, and moves an answer to another place.
func TestKeptAnswersAreSealed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
		org, err := tx.Org(f.org.ID)
		if err != nil {
			return err
		}
		org.ID, org.Slug, org.Recoverable = "org_strict", "strict", false
		if org.DataKey, err = core.NewDataKeyForTest(testMaterial(), org.ID); err != nil {
			return err
		}
		if err := tx.AddOrg(org); err != nil {
			return err
		}
		return tx.AddMembership(store.Membership{OrgID: org.ID, UserID: f.owner.User.ID, Role: string(api.RoleOwner), CreatedAt: f.clock.now()})
	}))
	const pasted = "kf_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZab"
	in := core.NewKey{Name: "needle", Idempotency: pasted} // the wrong thing in the wrong place
	k, sec, _, err := f.svc.CreateKey(t.Context(), f.owner, "strict", in)
	f.must(err)
	f.equal("recoverable", k.Recoverable, false)
	_, again, replayed, err := f.svc.CreateKey(t.Context(), f.owner, "strict", in)
	f.must(err)
	f.equal("replayed", replayed && again.Reveal() == sec.Reveal(), true)
	all := f.db.Content(t)
	for _, s := range []string{sec.Reveal(), pasted} {
		if bytes.Contains(all, []byte(s[5:20])) {
			t.Error("the database holds a secret")
		}
	}
	if !bytes.Contains(all, []byte("needle")) {
		t.Fatal("the test looks in the wrong place")
	}
}
