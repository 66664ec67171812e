package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

// Use is written by a few statements for many keys, each over columns of values. The first locks the rows of the keys, in the order of
// their ids: whoever writes use of one of them waits for its turn, and none waits for another in a circle. What the others write of a key
// belongs to who has its row.
const (
	lockKeys   = `SELECT 1 FROM keys WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE`
	useSecrets = `UPDATE secrets s SET last_used_at = u.at, last_prefix = nullif(u.prefix, ''), last_agent = nullif(u.agent, '')
		FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) u (key_id, version, at, prefix, agent)
		WHERE s.key_id = u.key_id AND s.version = u.version AND (s.last_used_at IS NULL OR s.last_used_at < u.at)`
	useRetired = `UPDATE retired_secrets s SET last_used_at = u.at FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u (key_id, version, at)
		WHERE s.key_id = u.key_id AND s.version = u.version AND (s.last_used_at IS NULL OR s.last_used_at < u.at)` // if it was retired since
	useKeys = `UPDATE keys k SET used_at = l.at FROM (
			SELECT u.key_id, max(u.at) AS at FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u (key_id, version, at)
			WHERE EXISTS (SELECT 1 FROM secrets s WHERE s.key_id = u.key_id AND s.version = u.version)
				OR EXISTS (SELECT 1 FROM retired_secrets r WHERE r.key_id = u.key_id AND r.version = u.version)
			GROUP BY u.key_id) l
		WHERE k.id = l.key_id AND k.used_at < l.at`
	useMinutes = `INSERT INTO key_minutes (key_id, minute, calls) SELECT u.key_id, u.minute, u.calls
		FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u (key_id, minute, calls) WHERE EXISTS (SELECT 1 FROM keys k WHERE k.id = u.key_id)
		ON CONFLICT (key_id, minute) DO UPDATE SET calls = key_minutes.calls + excluded.calls`
	useHours = `INSERT INTO key_days (key_id, day, %[1]s) SELECT u.key_id, u.day, u.calls
		FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u (key_id, day, calls) WHERE EXISTS (SELECT 1 FROM keys k WHERE k.id = u.key_id)
		ON CONFLICT (key_id, day) DO UPDATE SET %[1]s = key_days.%[1]s + excluded.%[1]s`
	useCallers = `INSERT INTO key_callers (key_id, address, agent, last_used_at) SELECT u.key_id, u.address, u.agent, u.at
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) u (key_id, address, agent, at)
		WHERE EXISTS (SELECT 1 FROM keys k WHERE k.id = u.key_id)
		ON CONFLICT (key_id, address, agent) DO UPDATE SET last_used_at = excluded.last_used_at
			WHERE key_callers.last_used_at < excluded.last_used_at`
	trimCallers = `DELETE FROM key_callers WHERE (key_id, address, agent) IN (
		SELECT m.key_id, l.address, l.agent FROM (
			SELECT key_id FROM key_callers WHERE key_id = ANY($1::text[]) GROUP BY key_id HAVING count(*) > $2) m
		CROSS JOIN LATERAL (
			SELECT address, agent FROM key_callers WHERE key_id = m.key_id ORDER BY last_used_at DESC, address, agent OFFSET $2) l)`
)

// RecordUses implements store.Tx.
func (t *tx) RecordUses(uses []store.KeyUse) error {
	if len(uses) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	if !columnsOf(uses).queue(batch) {
		return fmt.Errorf("use: %w", errText)
	}
	return t.batch("use", batch)
}

// RecordUses is RecordUses of a transaction of its own, which need not be serializable: it reads nothing that it goes by, and adds
// up and moves forward row by row. So those of several processes wait for each other's rows instead of undoing each other.
func (s *Store) RecordUses(ctx context.Context, uses []store.KeyUse) error {
	for {
		err := s.run(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx store.Tx) error { return tx.RecordUses(uses) })
		if !errors.Is(err, errConflict) { // with a transaction that takes its locks in another order
			return err
		}
		if waitErr := pause(ctx, 0); waitErr != nil {
			return err
		}
	}
}

// useColumns are the uses of many keys, by column. Whatever is one row there stands in one row here: a statement may meet a row once.
type useColumns struct {
	keys    []string
	secrets struct {
		keys          []string
		versions, ats []int64
		prefix, agent []string
	}
	minutes callColumns
	hours   map[string]*callColumns // by the column
	callers struct {
		keys, prefix, agent []string
		ats                 []int64
	}
}

// callColumns are calls of keys in a minute, or on a day in one hour.
type callColumns struct {
	keys      []string
	at, calls []int64
}

func (c *callColumns) add(key string, at, calls int64) {
	c.keys, c.at, c.calls = append(c.keys, key), append(c.at, at), append(c.calls, calls)
}

func columnsOf(uses []store.KeyUse) *useColumns {
	u := &useColumns{hours: map[string]*callColumns{}}
	type secret struct {
		key     string
		version int
	}
	type call struct {
		key string
		at  int64
	}
	type caller struct{ key, prefix, agent string }
	secrets, minutes, hours, callers := map[secret]store.SecretUse{}, map[call]int64{}, map[call]int64{}, map[caller]int64{}
	for _, k := range uses {
		u.keys = append(u.keys, k.KeyID)
		for _, s := range k.Secrets {
			if at := (secret{k.KeyID, s.Version}); s.At.After(secrets[at].At) {
				secrets[at] = s
			}
		}
		for _, m := range k.Minutes {
			minutes[call{k.KeyID, m.Minute}] += m.Calls
			hours[call{k.KeyID, m.Minute / 60}] += m.Calls
		}
		for _, c := range k.Callers {
			at := caller{k.KeyID, c.AddressPrefix, c.Agent}
			callers[at] = max(callers[at], c.At.UnixMicro())
		}
	}
	for of, s := range secrets {
		c := &u.secrets
		c.keys, c.versions, c.ats = append(c.keys, of.key), append(c.versions, int64(of.version)), append(c.ats, s.At.UnixMicro())
		c.prefix, c.agent = append(c.prefix, s.AddressPrefix), append(c.agent, s.Agent)
	}
	for of, calls := range minutes {
		u.minutes.add(of.key, of.at, calls)
	}
	for of, calls := range hours {
		column := statements.HourColumn(of.at)
		if u.hours[column] == nil {
			u.hours[column] = &callColumns{}
		}
		u.hours[column].add(of.key, of.at/statements.HoursOfDay, calls)
	}
	for of, at := range callers {
		c := &u.callers
		c.keys, c.prefix, c.agent, c.ats = append(c.keys, of.key), append(c.prefix, of.prefix), append(c.agent, of.agent), append(c.ats, at)
	}
	return u
}

// queue queues the statements; false: there is text that PostgreSQL can't hold.
func (u *useColumns) queue(b *pgx.Batch) bool {
	s, c := &u.secrets, &u.callers
	for _, texts := range [][]string{u.keys, s.prefix, s.agent, c.prefix, c.agent} {
		for _, text := range texts {
			if !storable([]any{text}) {
				return false
			}
		}
	}
	b.Queue(lockKeys, u.keys)
	if len(s.keys) > 0 {
		b.Queue(useSecrets, s.keys, s.versions, s.ats, s.prefix, s.agent)
		b.Queue(useRetired, s.keys, s.versions, s.ats)
		b.Queue(useKeys, s.keys, s.versions, s.ats)
	}
	if m := &u.minutes; len(m.keys) > 0 {
		b.Queue(useMinutes, m.keys, m.at, m.calls)
	}
	for _, column := range slices.Sorted(maps.Keys(u.hours)) {
		h := u.hours[column]
		b.Queue(fmt.Sprintf(useHours, column), h.keys, h.at, h.calls)
	}
	if len(c.keys) > 0 {
		b.Queue(useCallers, c.keys, c.prefix, c.agent, c.ats)
		b.Queue(trimCallers, c.keys, store.CallersMax)
	}
	return true
}
