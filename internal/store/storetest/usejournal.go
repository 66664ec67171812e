package storetest

import (
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

const pastAll = "key~"

func testUseJournal(_ *testing.T, f *fixture) {
	add := func(owner, entries string, want int64) {
		f.Helper()
		f.update(func(tx store.Tx) error {
			seq, err := tx.AppendUse(owner, []byte(entries))
			f.equal("number", seq, want)
			return err
		})
	}
	rows := func(owner string, after int64, limit int) (got []store.UseRow) {
		f.Helper()
		f.view(func(tx store.Tx) (err error) {
			got, err = tx.UseJournal(owner, after, limit)
			return err
		})
		return got
	}
	folded := func(after, upto string, seq int64, want ...store.UseFold) {
		f.Helper()
		f.update(func(tx store.Tx) error { return tx.FoldedUse("a", after, upto, seq) })
		f.view(func(tx store.Tx) error {
			got, err := tx.UseFolds()
			f.equal("folded", got, append(want, store.UseFold{Owner: "b", UpTo: pastAll}))
			return err
		})
	}
	unknown := func(owner string) {
		f.Helper()
		f.updateErr(store.ErrNotFound, func(tx store.Tx) error {
			_, err := tx.AppendUse(owner, []byte("x"))
			return err
		})
		f.updateErr(store.ErrNotFound, func(tx store.Tx) error { return tx.FoldedUse(owner, "", pastAll, 1) })
	}
	unknown("a")
	f.update(func(tx store.Tx) error { return tx.AddUseOwner("a", pastAll) })
	f.updateErr(store.ErrExists, func(tx store.Tx) error { return tx.AddUseOwner("a", pastAll) })
	f.update(func(tx store.Tx) error { return tx.AddUseOwner("b", pastAll) })
	add("a", "one", 1)
	add("a", "two", 2)
	add("b", "other", 1)
	one, two := store.UseRow{Seq: 1, Entries: []byte("one")}, store.UseRow{Seq: 2, Entries: []byte("two")}
	f.equal("all", rows("a", 0, 10), []store.UseRow{one, two})
	f.equal("the first", rows("a", 0, 1), []store.UseRow{one})
	f.equal("the others", rows("a", 1, 10), []store.UseRow{two})

	folded("", "key_3", 1, store.UseFold{Owner: "a", UpTo: "key_3", Seq: 1}, store.UseFold{Owner: "a", UpTo: pastAll})
	folded("key_3", "key_5", 1, store.UseFold{Owner: "a", UpTo: "key_5", Seq: 1}, store.UseFold{Owner: "a", UpTo: pastAll})
	folded("key_5", "key_7", 2, store.UseFold{Owner: "a", UpTo: "key_5", Seq: 1}, store.UseFold{Owner: "a", UpTo: "key_7", Seq: 2}, store.UseFold{Owner: "a", UpTo: pastAll})
	f.equal("nothing is folded of all keys", rows("a", 0, 10), []store.UseRow{one, two})
	folded("key_7", pastAll, 2, store.UseFold{Owner: "a", UpTo: "key_5", Seq: 1}, store.UseFold{Owner: "a", UpTo: pastAll, Seq: 2})
	f.equal("the first is", rows("a", 0, 10), []store.UseRow{two})
	folded("", "key_4", 2, store.UseFold{Owner: "a", UpTo: "key_4", Seq: 2}, store.UseFold{Owner: "a", UpTo: "key_5", Seq: 1}, store.UseFold{Owner: "a", UpTo: pastAll, Seq: 2})
	folded("key_4", "key_6", 2, store.UseFold{Owner: "a", UpTo: "key_6", Seq: 2}, store.UseFold{Owner: "a", UpTo: pastAll, Seq: 2})
	f.equal("both are", rows("a", 0, 10), []store.UseRow(nil))
	add("a", "three", 3) // no number comes twice
	f.update(func(tx store.Tx) error { return tx.DropUseOwner("a") })
	f.equal("dropped", rows("a", 0, 10), []store.UseRow(nil))
	unknown("a")
	f.equal("of the other", rows("b", 0, 10), []store.UseRow{{Seq: 1, Entries: []byte("other")}})
}

func testLastUses(_ *testing.T, f *fixture) {
	acme, other := f.org("acme"), f.org("other")
	a, b, gone, c := f.key(acme.ID, "a"), f.key(acme.ID, "b"), f.key(acme.ID, "gone"), f.key(acme.ID, "c")
	f.key(other.ID, "a")
	f.update(func(tx store.Tx) error { return tx.DeleteKey(gone, at(1)) })
	f.update(func(tx store.Tx) error { return tx.RecordUses(lastUse(b.ID, 50)) })
	for _, tt := range []struct {
		after string
		limit int
		want  []store.LastUse
	}{
		{"", 10, []store.LastUse{{KeyID: a.ID}, {KeyID: b.ID, At: at(50)}, {KeyID: c.ID}}},
		{a.ID, 1, []store.LastUse{{KeyID: b.ID, At: at(50)}}},
		{c.ID, 10, nil},
	} {
		f.view(func(tx store.Tx) error {
			got, err := tx.LastUses(acme.ID, tt.after, tt.limit)
			f.equal("after "+tt.after, got, tt.want)
			return err
		})
	}
}

func testHours(_ *testing.T, f *fixture) {
	acme := f.org("acme")
	k, other := f.key(acme.ID, "ci"), f.key(acme.ID, "cd")
	record := func(id string, minutes ...store.MinuteUse) {
		f.Helper()
		f.update(func(tx store.Tx) error { return tx.RecordUses([]store.KeyUse{{KeyID: id, Minutes: minutes}}) })
	}
	hours := func(id string, from int64, want ...store.HourUse) {
		f.Helper()
		f.view(func(tx store.Tx) error {
			got, err := tx.KeyHours(id, from)
			f.equal("hours", got, want)
			return err
		})
	}
	const day = 1000
	minute := func(hour, minute int64) int64 { return (day*24+hour)*60 + minute }
	record(k.ID, store.MinuteUse{Minute: minute(0, 0), Calls: 1}, store.MinuteUse{Minute: minute(0, 59), Calls: 2}, store.MinuteUse{Minute: minute(1, 0), Calls: 10})
	record(k.ID, store.MinuteUse{Minute: minute(0, 30), Calls: 4}, store.MinuteUse{Minute: minute(23, 59), Calls: 100}, store.MinuteUse{Minute: minute(24, 0), Calls: 1000})
	record(other.ID, store.MinuteUse{Minute: minute(0, 30), Calls: 5})
	record("key_9", store.MinuteUse{Minute: minute(0, 30), Calls: 5})
	first, last := int64(day*24), int64(day*24+24)
	all := []store.HourUse{{Hour: first, Calls: 7}, {Hour: first + 1, Calls: 10}, {Hour: first + 23, Calls: 100}, {Hour: last, Calls: 1000}}
	hours(k.ID, 0, all...)
	hours(k.ID, first+1, all[1:]...)
	hours(k.ID, last, all[3:]...)
	hours(k.ID, last+1)
	hours(other.ID, 0, store.HourUse{Hour: first, Calls: 5})
	hours("key_9", 0)
	for _, step := range []struct {
		hour int64
		want []store.HourUse
	}{{first, all}, {first + 23, all}, {last, all[3:]}} {
		f.update(func(tx store.Tx) error {
			_, err := tx.Prune(store.Age{Hour: step.hour, Callers: at(0), Answers: at(0)}, 10)
			return err
		})
		hours(k.ID, 0, step.want...)
	}
}
