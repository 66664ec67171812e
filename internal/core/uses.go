package core

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// entriesMax bounds the use that is kept in memory: secrets, minutes and callers of all keys together, about 20 MB.
const entriesMax = 100_000

// uses is the use of keys that is not written yet, each thing once however often it happened.
type uses struct {
	byKey   map[string]*store.KeyUse
	entries int
	lost    int // calls that were passed over for want of room
}

func newUses() uses { return uses{byKey: map[string]*store.KeyUse{}} }

// full says that a thing that is not known yet has no room; what is known is counted on, if need be less finely.
func (u *uses) full() bool { return u.entries >= entriesMax }

// of returns what is kept of a key, nil if it is unknown and there is no room.
func (u *uses) of(keyID string) *store.KeyUse {
	k := u.byKey[keyID]
	if k == nil && !u.full() {
		k = &store.KeyUse{KeyID: keyID}
		u.byKey[keyID] = k
	}
	return k
}

// call adds a call. The strings of from may be parts of a request: they are copied where they are kept.
func (u *uses) call(keyID string, version int, at time.Time, from Origin) {
	k := u.of(keyID)
	if k == nil {
		u.lost++
		return
	}
	u.addCalls(k, store.MinuteUse{Minute: minuteOf(at), Calls: 1})
	kept := u.addCaller(k, store.CallerUse{AddressPrefix: from.AddressPrefix, Agent: from.Agent, At: at}, true)
	u.addSecret(k, store.SecretUse{Version: version, At: at, AddressPrefix: kept.AddressPrefix, Agent: kept.Agent})
}

// merge takes up what could not be written.
func (u *uses) merge(from store.KeyUse) {
	k := u.of(from.KeyID)
	for _, m := range from.Minutes {
		if k == nil {
			u.lost += int(m.Calls)
			continue
		}
		u.addCalls(k, m)
	}
	if k == nil {
		return
	}
	for _, c := range from.Callers {
		u.addCaller(k, c, false)
	}
	for _, s := range from.Secrets {
		u.addSecret(k, s)
	}
}

// addSecret moves the last use of a secret forward. A key has few secrets: they always have room.
func (u *uses) addSecret(k *store.KeyUse, s store.SecretUse) {
	for i := range k.Secrets {
		if known := &k.Secrets[i]; known.Version == s.Version {
			if s.At.After(known.At) {
				*known = s
			}
			return
		}
	}
	k.Secrets = append(k.Secrets, s)
	u.entries++
}

// addCalls counts calls in their minute; without room, in the latest that is known.
func (u *uses) addCalls(k *store.KeyUse, m store.MinuteUse) {
	for i := len(k.Minutes) - 1; i >= 0; i-- { // it is nearly always the last
		if k.Minutes[i].Minute == m.Minute {
			k.Minutes[i].Calls += m.Calls
			return
		}
	}
	if n := len(k.Minutes); n > 0 && u.full() {
		k.Minutes[n-1].Calls += m.Calls
		return
	}
	k.Minutes = append(k.Minutes, m)
	u.entries++
}

// addCaller moves the last use by a caller forward and returns the caller as it is kept. A new one takes the place of the
// one that was seen longest ago once there are store.CallersMax of them.
func (u *uses) addCaller(k *store.KeyUse, c store.CallerUse, foreign bool) store.CallerUse {
	oldest := 0
	for i := range k.Callers {
		known := &k.Callers[i]
		if known.Agent == c.Agent && known.AddressPrefix == c.AddressPrefix {
			if c.At.After(known.At) {
				known.At = c.At
			}
			return *known
		}
		if known.At.Before(k.Callers[oldest].At) {
			oldest = i
		}
	}
	if foreign {
		c.AddressPrefix, c.Agent = strings.Clone(c.AddressPrefix), strings.Clone(c.Agent)
	}
	switch {
	case len(k.Callers) > 0 && (u.full() || len(k.Callers) >= store.CallersMax):
		if c.At.After(k.Callers[oldest].At) {
			k.Callers[oldest] = c
		}
	default:
		k.Callers = append(k.Callers, c)
		u.entries++
	}
	return c
}

// last moves secret forward to the last use of the secret, and key to that of any of the key's, retired ones among them.
func (u *uses) last(keyID string, version int, secret, key *time.Time) {
	if k := u.byKey[keyID]; k != nil {
		for _, s := range k.Secrets {
			if s.Version == version && s.At.After(*secret) {
				*secret = s.At
			}
			if s.At.After(*key) {
				*key = s.At
			}
		}
	}
}

// copyOf returns what is kept of a key, for use without the lock.
func (u *uses) copyOf(keyID string) store.KeyUse {
	k := u.byKey[keyID]
	if k == nil {
		return store.KeyUse{KeyID: keyID}
	}
	return store.KeyUse{
		KeyID: keyID, Secrets: slices.Clone(k.Secrets), Minutes: slices.Clone(k.Minutes), Callers: slices.Clone(k.Callers),
	}
}

// minuteOf counts minutes from 1970.
func minuteOf(t time.Time) int64 { return t.Unix() / int64(time.Minute/time.Second) }

const (
	hourMinutes = 60
	dayMinutes  = 24 * hourMinutes
	recently    = 24 * time.Hour
)

// windowAt is the last hour and day before now: as many whole minutes, the one that has just begun among them.
func windowAt(now time.Time) store.UseWindow {
	minute := minuteOf(now)
	return store.UseWindow{Hour: minute - hourMinutes + 1, Day: minute - dayMinutes + 1, Since: now.Add(-recently)}
}

// usageOf adds to what is written what is not.
func usageOf(sum store.UseSum, pending store.KeyUse, w store.UseWindow) Usage {
	out := Usage{Calls1h: sum.Hour, Calls24h: sum.Day}
	for _, m := range pending.Minutes {
		if m.Minute >= w.Hour {
			out.Calls1h += m.Calls
		}
		if m.Minute >= w.Day {
			out.Calls24h += m.Calls
		}
	}
	latest := map[store.CallerUse]time.Time{} // by caller, its time left out
	for _, c := range slices.Concat(sum.Callers, pending.Callers) {
		who := store.CallerUse{AddressPrefix: c.AddressPrefix, Agent: c.Agent}
		if !c.At.Before(w.Since) && c.At.After(latest[who]) {
			latest[who] = c.At
		}
	}
	for who, at := range latest {
		out.Callers = append(out.Callers, CallerUse{AddressPrefix: who.AddressPrefix, Agent: who.Agent, LastUsedAt: at})
	}
	slices.SortFunc(out.Callers, func(a, b CallerUse) int {
		return cmp.Or(b.LastUsedAt.Compare(a.LastUsedAt), cmp.Compare(a.AddressPrefix, b.AddressPrefix), cmp.Compare(a.Agent, b.Agent))
	})
	out.Callers = out.Callers[:min(len(out.Callers), store.CallersMax)]
	return out
}
