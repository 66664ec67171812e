package core

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// minuteOf counts minutes from 1970.
func minuteOf(t time.Time) int64 { return t.Unix() / int64(time.Minute/time.Second) }

const (
	hourMinutes = 60
	dayMinutes  = 24 * hourMinutes
	recently    = 24 * time.Hour
)

// hourOf counts hours from 1970.
func hourOf(t time.Time) int64 { return minuteOf(t) / hourMinutes }

// hoursFrom is the first hour of the 90 days before now, with the one that has just begun.
func hoursFrom(now time.Time) int64 { return hourOf(now) - int64(hoursKept/time.Hour) + 1 }

// addHours adds to what is written what is not.
func addHours(hours []store.HourUse, pending store.KeyUse, from int64) []HourUse {
	calls := map[int64]int64{}
	for _, h := range hours {
		calls[h.Hour] += h.Calls
	}
	for _, m := range pending.Minutes {
		if hour := m.Minute / hourMinutes; hour >= from {
			calls[hour] += m.Calls
		}
	}
	var out []HourUse
	for _, hour := range slices.Sorted(maps.Keys(calls)) {
		out = append(out, HourUse{Start: time.Unix(hour*hourMinutes*60, 0).UTC(), Calls: calls[hour]})
	}
	return out
}

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

func timeOfMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }
