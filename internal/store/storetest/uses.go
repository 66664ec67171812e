package storetest

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// lastUse is the use of a key's first secret.
func lastUse(id string, sec int) []store.KeyUse {
	return []store.KeyUse{{KeyID: id, Secrets: []store.SecretUse{{Version: 1, At: at(sec), AddressPrefix: "192.0.2.0/24", Agent: "curl/8"}}}}
}

func testUses(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k, gone := f.key(acme.ID, "ci"), f.key(acme.ID, "cd")
	f.update(func(tx store.Tx) error { return tx.DeleteKey(gone, at(1)) })
	for _, step := range []struct{ use, want int }{{100, 100}, {90, 100}, {101, 101}} {
		f.update(func(tx store.Tx) error {
			unknown := []store.KeyUse{
				{KeyID: "key_9", Secrets: []store.SecretUse{{Version: 1, At: at(999)}}, Minutes: []store.MinuteUse{{Minute: 1, Calls: 1}}, Callers: []store.CallerUse{{At: at(9)}}},
				{KeyID: k.ID, Secrets: []store.SecretUse{{Version: 2, At: at(999)}}},
			}
			return tx.RecordUses(append(append(lastUse(k.ID, step.use), lastUse(gone.ID, step.use)...), unknown...))
		})
		k.LastUsedAt, k.Secrets[0].LastUsedAt = at(step.want), at(step.want)
		f.equal("used", f.getKey(acme.ID, k.ID), k)
	}
}

func (f *fixture) use(id string, w store.UseWindow) (sum store.UseSum) {
	f.Helper()
	f.view(func(tx store.Tx) (err error) {
		sum, err = tx.KeyUse(id, w)
		return err
	})
	return sum
}

func testCalls(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k, other := f.key(acme.ID, "ci"), f.key(acme.ID, "cd")
	record := func(uses ...store.KeyUse) {
		f.Helper()
		f.update(func(tx store.Tx) error { return tx.RecordUses(uses) })
	}
	a, b := store.CallerUse{AddressPrefix: "192.0.2.0/24", Agent: "a", At: at(10)}, store.CallerUse{Agent: "b", At: at(20)}
	record(
		store.KeyUse{KeyID: k.ID, Minutes: []store.MinuteUse{{Minute: 100, Calls: 1}, {Minute: 160, Calls: 10}}, Callers: []store.CallerUse{a, b}},
		store.KeyUse{KeyID: other.ID, Minutes: []store.MinuteUse{{Minute: 160, Calls: 1000}}, Callers: []store.CallerUse{a}},
	)
	later := a
	later.At = at(30)
	record(store.KeyUse{KeyID: k.ID, Minutes: []store.MinuteUse{{Minute: 160, Calls: 5}, {Minute: 161, Calls: 100}}, Callers: []store.CallerUse{later}})
	record(store.KeyUse{KeyID: k.ID, Callers: []store.CallerUse{a}}) // not back
	all := []store.CallerUse{later, b}
	f.equal("all", f.use(k.ID, store.UseWindow{Hour: 160, Day: 100, Since: at(20)}), store.UseSum{Hour: 115, Day: 116, Callers: all})
	f.equal("some", f.use(k.ID, store.UseWindow{Hour: 161, Day: 101, Since: at(21)}), store.UseSum{Hour: 100, Day: 115, Callers: all[:1]})
	f.equal("none", f.use(k.ID, store.UseWindow{Hour: 162, Day: 162, Since: at(31)}), store.UseSum{})
	f.equal("unknown", f.use("key_9", store.UseWindow{}), store.UseSum{})
}

func testCallersKept(t *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	var callers []store.CallerUse
	for i := range 3 * store.CallersMax {
		callers = append(callers, store.CallerUse{Agent: fmt.Sprintf("agent/%03d", i), At: at(i / 2)})
	}
	for _, c := range callers {
		f.update(func(tx store.Tx) error {
			return tx.RecordUses([]store.KeyUse{{KeyID: k.ID, Callers: []store.CallerUse{c}}})
		})
	}
	got := f.use(k.ID, store.UseWindow{Since: at(0)}).Callers
	if len(got) != store.CallersMax || got[0].At != at(29) || got[len(got)-1].At != at(20) {
		t.Errorf("%d are kept: %v", len(got), got)
	}
}

func testPrune(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k := f.key(acme.ID, "ci")
	use := store.KeyUse{KeyID: k.ID}
	for i := range 10 {
		use.Minutes = append(use.Minutes, store.MinuteUse{Minute: int64(i), Calls: 1})
		use.Callers = append(use.Callers, store.CallerUse{Agent: strconv.Itoa(i), At: at(i)})
	}
	f.update(func(tx store.Tx) error {
		for i := range 10 {
			if err := tx.PutAnswer(store.Answer{ID: sha256.Sum256([]byte{byte(i)}), KeyID: k.ID, Sealed: []byte{1}, ExpiresAt: at(i)}); err != nil {
				return err
			}
		}
		return tx.RecordUses([]store.KeyUse{use})
	})
	left := func() []int {
		sum := f.use(k.ID, store.UseWindow{Since: at(0)})
		answers := 0
		f.view(func(tx store.Tx) error {
			for i := range 10 {
				if _, err := tx.Answer(sha256.Sum256([]byte{byte(i)}), time.Unix(0, 0)); err == nil {
					answers++
				}
			}
			return nil
		})
		return []int{int(sum.Day), len(sum.Callers), answers}
	}
	for _, step := range []struct {
		age         store.Age
		limit, most int
		want        []int
	}{
		{store.Age{Minute: 0, Callers: at(0), Answers: at(-1)}, 100, 0, []int{10, 10, 10}},
		{store.Age{Minute: 1, Callers: at(2), Answers: at(2)}, 100, 3, []int{9, 8, 7}},
		{store.Age{Minute: 9, Callers: at(9), Answers: at(9)}, 2, 2, []int{7, 6, 5}},
		{store.Age{Minute: 9, Callers: at(9), Answers: at(9)}, 100, 6, []int{1, 1, 0}},
	} {
		f.update(func(tx store.Tx) error {
			most, err := tx.Prune(step.age, step.limit)
			f.equal("removed at most", most, step.most)
			return err
		})
		f.equal("left", left(), step.want)
	}
}

func testAnswers(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k, other := f.key(acme.ID, "ci"), f.key(acme.ID, "cd")
	a := store.Answer{ID: sha256.Sum256([]byte("a")), Fingerprint: sha256.Sum256([]byte("f")), KeyID: k.ID, Sealed: []byte("sealed"), ExpiresAt: at(100)}
	b := store.Answer{ID: sha256.Sum256([]byte("b")), KeyID: other.ID, Sealed: []byte("other"), ExpiresAt: at(100)}
	read := func(id [32]byte, now time.Time) (got store.Answer) {
		f.Helper()
		f.view(func(tx store.Tx) (err error) {
			got, err = tx.Answer(id, now)
			return err
		})
		return got
	}
	f.update(func(tx store.Tx) error { return tx.PutAnswer(a) })
	f.update(func(tx store.Tx) error { return tx.PutAnswer(b) })
	f.equal("as put", read(a.ID, at(99)), a)
	for _, missing := range []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.Answer(a.ID, at(100)); return err },
		func(tx store.Tx) error { _, err := tx.Answer(a.Fingerprint, at(1)); return err },
	} {
		f.viewErr(store.ErrNotFound, missing)
	}
	a.ExpiresAt, a.Fingerprint, a.Sealed = at(200), [32]byte{}, []byte("again")
	f.update(func(tx store.Tx) error { return tx.PutAnswer(a) })
	f.equal("in its place", read(a.ID, at(150)), a)
	f.update(func(tx store.Tx) error { return tx.DeleteKey(k, at(1)) })
	a.Sealed = nil
	f.equal("of a deleted key", read(a.ID, at(150)), a)
	f.equal("of another key", read(b.ID, at(1)), b)
}
