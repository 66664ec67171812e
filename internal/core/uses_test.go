package core

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

func TestUsesAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	calls := func(u uses) (n int64) {
		for _, k := range u.byKey {
			for _, m := range k.Minutes {
				n += m.Calls
			}
		}
		return n
	}
	u := newUses()
	for i := range entriesMax { // three entries each
		u.call(fmt.Sprint("key_", i), 1, now, Origin{Agent: strconv.Itoa(i)})
	}
	if most := entriesMax + 3; u.entries > most || len(u.byKey) > most/3 || calls(u)+int64(u.lost) != entriesMax {
		t.Fatalf("%d entries, %d keys, %d calls, %d lost", u.entries, len(u.byKey), calls(u), u.lost)
	}
	entries, counted := u.entries, calls(u)
	for i := range 10_000 { // of a known key: other minutes, other callers
		u.call("key_0", 1, now.Add(time.Duration(i)*time.Minute), Origin{Agent: fmt.Sprint("new ", i)})
	}
	k := u.byKey["key_0"]
	if u.entries != entries || calls(u) != counted+10_000 || len(k.Callers) != 1 || k.Callers[0].Agent != "new 9999" {
		t.Fatalf("%d entries, %d calls, callers %v", u.entries, calls(u), k.Callers)
	}
	if at := k.Secrets[0].At; !at.Equal(now.Add(9999 * time.Minute)) {
		t.Errorf("last use %v", at)
	}
}

func TestUsesMerge(t *testing.T) {
	t.Parallel()
	early, late := time.Unix(1e9, 0), time.Unix(1e9+90, 0)
	u := newUses()
	u.call("key_1", 1, late, Origin{Agent: "a"})
	u.merge(store.KeyUse{
		KeyID:   "key_1",
		Secrets: []store.SecretUse{{Version: 1, At: early}, {Version: 2, At: early}},
		Minutes: []store.MinuteUse{{Minute: minuteOf(early), Calls: 3}, {Minute: minuteOf(late), Calls: 5}},
		Callers: []store.CallerUse{{Agent: "a", At: early}, {Agent: "b", At: early}},
	})
	got := usageOf(store.UseSum{Hour: 10, Day: 20}, u.copyOf("key_1"), windowAt(late))
	if got.Calls1h != 19 || got.Calls24h != 29 || len(got.Callers) != 2 || got.Callers[0] != (CallerUse{Agent: "a", LastUsedAt: late}) {
		t.Errorf("%+v", got)
	}
	for _, tt := range []struct {
		key                   string
		version               int
		secret, ofKey         time.Time
		wantSecret, wantOfKey time.Time
	}{
		{"key_1", 1, time.Time{}, time.Time{}, late, late},
		{"key_1", 2, time.Time{}, time.Time{}, early, late},
		{"key_1", 3, early, late.Add(1), early, late.Add(1)},
		{"key_2", 1, early, time.Time{}, early, time.Time{}},
	} {
		secret, ofKey := tt.secret, tt.ofKey
		u.last(tt.key, tt.version, &secret, &ofKey)
		if !secret.Equal(tt.wantSecret) || !ofKey.Equal(tt.wantOfKey) {
			t.Errorf("last use of %d of %s: %v, of the key %v", tt.version, tt.key, secret, ofKey)
		}
	}
}
