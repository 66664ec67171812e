package statements

import (
	"fmt"
	"strings"

	"github.com/keyfob/keyfob/internal/store"
)

// HoursOfDay is how key_days is divided.
const HoursOfDay = 24

// HourColumn names the column of key_days that an hour since 1970 is counted in.
func HourColumn(hour int64) string { return fmt.Sprintf("h%02d", hour%HoursOfDay) }

// KeyUse implements store.Tx.
func (t *Tx) KeyUse(keyID string, w store.UseWindow) (store.UseSum, error) {
	var sum store.UseSum
	const calls = `SELECT CAST(coalesce(sum(calls) FILTER (WHERE minute >= $2), 0) AS bigint),
		CAST(coalesce(sum(calls) FILTER (WHERE minute >= $3), 0) AS bigint) FROM key_minutes WHERE key_id = $1 AND minute >= $4`
	if err := t.row("calls", calls, []any{keyID, w.Hour, w.Day, min(w.Hour, w.Day)}, &sum.Hour, &sum.Day); err != nil {
		return sum, err
	}
	const callers = `SELECT address, agent, last_used_at FROM key_callers WHERE key_id = $1 AND last_used_at >= $2
		ORDER BY last_used_at DESC, address, agent`
	err := t.rows("callers", callers, []any{keyID, micros(w.Since)}, func(r Row) error {
		var c store.CallerUse
		err := r.Scan(&c.AddressPrefix, &c.Agent, moment{&c.At})
		sum.Callers = append(sum.Callers, c)
		return err
	})
	return sum, err
}

// KeyHours implements store.Tx.
func (t *Tx) KeyHours(keyID string, from int64) ([]store.HourUse, error) {
	columns := make([]string, HoursOfDay)
	for h := range columns {
		columns[h] = HourColumn(int64(h))
	}
	q := `SELECT day, ` + strings.Join(columns, ", ") + ` FROM key_days WHERE key_id = $1 AND day >= $2 ORDER BY day`
	var out []store.HourUse
	err := t.rows("calls by hour", q, []any{keyID, from / HoursOfDay}, func(r Row) error {
		var day int64
		var calls [HoursOfDay]int64
		into := []any{&day}
		for h := range calls {
			into = append(into, &calls[h])
		}
		err := r.Scan(into...)
		for h, n := range calls {
			if hour := day*HoursOfDay + int64(h); n > 0 && hour >= from {
				out = append(out, store.HourUse{Hour: hour, Calls: n})
			}
		}
		return err
	})
	return out, err
}
