package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

// useRows are rows of values that a statement takes as the table u.
type useRows struct {
	columns []string
	args    []any
}

func (u *useRows) add(values ...any) { u.args = append(u.args, values...) }

// useChunk bounds the text of a statement.
const useChunk = 100

// exec runs the statement for all the rows, some at a time.
func (u *useRows) exec(t *tx, statement string) error {
	n := len(u.columns)
	for args := range slices.Chunk(u.args, useChunk*n) {
		run := func(query string) (int64, error) { return t.Run("use", query, args...) }
		if len(args) < useChunk*n {
			run = func(query string) (int64, error) { return t.once("use", query, args) }
		}
		if _, err := run(u.with(len(args)/n) + statement); err != nil {
			return err
		}
	}
	return nil
}

// with makes the text of a table of that many rows.
func (u *useRows) with(rows int) string {
	var b strings.Builder
	b.WriteString("WITH u (" + strings.Join(u.columns, ", ") + ") AS (VALUES ")
	b.WriteString(strings.TrimSuffix(strings.Repeat("(?"+strings.Repeat(", ?", len(u.columns)-1)+"), ", rows), ", "))
	b.WriteString(") ")
	return b.String()
}

const (
	useSecrets = `UPDATE secrets SET last_used_at = u.at, last_prefix = u.prefix, last_agent = u.agent FROM u
		WHERE secrets.key_id = u.key_id AND secrets.version = u.version AND (secrets.last_used_at IS NULL OR secrets.last_used_at < u.at)`
	useRetired = `UPDATE retired_secrets SET last_used_at = u.at FROM u
		WHERE retired_secrets.key_id = u.key_id AND retired_secrets.version = u.version
			AND (retired_secrets.last_used_at IS NULL OR retired_secrets.last_used_at < u.at)`
	useKeys = `UPDATE keys SET used_at = l.at FROM (
			SELECT key_id, max(at) AS at FROM u
			WHERE EXISTS (SELECT 1 FROM secrets s WHERE s.key_id = u.key_id AND s.version = u.version)
				OR EXISTS (SELECT 1 FROM retired_secrets r WHERE r.key_id = u.key_id AND r.version = u.version)
			GROUP BY key_id) l
		WHERE keys.id = l.key_id AND keys.used_at < l.at`
	useMinutes = `INSERT INTO key_minutes (key_id, minute, calls)
		SELECT key_id, minute, calls FROM u WHERE EXISTS (SELECT 1 FROM keys k WHERE k.id = u.key_id)
		ON CONFLICT (key_id, minute) DO UPDATE SET calls = calls + excluded.calls`
	useHours = `INSERT INTO key_days (key_id, day, %[1]s)
		SELECT key_id, day, calls FROM u WHERE EXISTS (SELECT 1 FROM keys k WHERE k.id = u.key_id)
		ON CONFLICT (key_id, day) DO UPDATE SET %[1]s = %[1]s + excluded.%[1]s`
	useCallers = `INSERT INTO key_callers (key_id, address, agent, last_used_at)
		SELECT key_id, address, agent, at FROM u WHERE EXISTS (SELECT 1 FROM keys k WHERE k.id = u.key_id)
		ON CONFLICT (key_id, address, agent) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)`
	manyCallers = `SELECT c.key_id FROM u JOIN key_callers c ON c.key_id = u.key_id GROUP BY c.key_id HAVING count(*) > ?`
	trimCallers = `DELETE FROM key_callers WHERE key_id = $1 AND (address, agent) NOT IN (
		SELECT address, agent FROM key_callers WHERE key_id = $1 ORDER BY last_used_at DESC, address, agent LIMIT $2)`
)

// RecordUses implements store.Tx.
func (t *tx) RecordUses(uses []store.KeyUse) error {
	if err := t.recordLast(uses); err != nil {
		return err
	}
	if err := t.recordCalls(uses); err != nil {
		return err
	}
	return t.recordCallers(uses)
}

func (t *tx) recordLast(uses []store.KeyUse) error {
	u := useRows{columns: []string{"key_id", "version", "at", "prefix", "agent"}}
	for _, k := range uses {
		for _, s := range k.Secrets {
			u.add(k.KeyID, s.Version, s.At.UnixMicro(), statements.TextOrNull(s.AddressPrefix), statements.TextOrNull(s.Agent))
		}
	}
	for _, statement := range []string{useSecrets, useRetired, useKeys} {
		if err := u.exec(t, statement); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) recordCalls(uses []store.KeyUse) error {
	minutes := useRows{columns: []string{"key_id", "minute", "calls"}}
	hours := map[string]*useRows{} // by column
	for _, k := range uses {
		for _, m := range k.Minutes {
			minutes.add(k.KeyID, m.Minute, m.Calls)
		}
		for _, h := range byHour(k.Minutes) {
			column := statements.HourColumn(h.Hour)
			if hours[column] == nil {
				hours[column] = &useRows{columns: []string{"key_id", "day", "calls"}}
			}
			hours[column].add(k.KeyID, h.Hour/statements.HoursOfDay, h.Calls)
		}
	}
	if err := minutes.exec(t, useMinutes); err != nil {
		return err
	}
	for column, u := range hours {
		if err := u.exec(t, fmt.Sprintf(useHours, column)); err != nil {
			return err
		}
	}
	return nil
}

// byHour sums minutes up.
func byHour(minutes []store.MinuteUse) []store.HourUse {
	var out []store.HourUse
	for _, m := range minutes {
		hour := m.Minute / 60
		i := slices.IndexFunc(out, func(h store.HourUse) bool { return h.Hour == hour })
		if i < 0 {
			i, out = len(out), append(out, store.HourUse{Hour: hour})
		}
		out[i].Calls += m.Calls
	}
	return out
}

func (t *tx) recordCallers(uses []store.KeyUse) error {
	u, keys := useRows{columns: []string{"key_id", "address", "agent", "at"}}, useRows{columns: []string{"key_id"}}
	for _, k := range uses {
		for _, c := range k.Callers {
			u.add(k.KeyID, c.AddressPrefix, c.Agent, c.At.UnixMicro())
		}
		if len(k.Callers) > 0 {
			keys.add(k.KeyID)
		}
	}
	if err := u.exec(t, useCallers); err != nil {
		return err
	}
	var many []string
	for ids := range slices.Chunk(keys.args, useChunk) {
		err := t.Rows("callers", keys.with(len(ids))+manyCallers, append(slices.Clone(ids), store.CallersMax), func(r statements.Row) error {
			var id string
			err := r.Scan(&id)
			many = append(many, id)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, id := range many {
		if _, err := t.Run("callers", trimCallers, id, store.CallersMax); err != nil {
			return err
		}
	}
	return nil
}
