package postgres

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

// RecordUses implements store.Tx. It is one round trip, in the order of ids: two that ran in different orders would lock each
// other out.
func (t *tx) RecordUses(uses []store.KeyUse) error {
	batch := &pgx.Batch{}
	for _, k := range slices.SortedFunc(slices.Values(uses), func(a, b store.KeyUse) int { return cmp.Compare(a.KeyID, b.KeyID) }) {
		if err := queueUse(batch, k); err != nil {
			return err
		}
	}
	return t.batch("use", batch)
}

const (
	useSecret = `UPDATE secrets SET last_used_at = $3, last_prefix = $4, last_agent = $5
		WHERE key_id = $1 AND version = $2 AND (last_used_at IS NULL OR last_used_at < $3)`
	useRetired = `UPDATE retired_secrets SET last_used_at = $3
		WHERE key_id = $1 AND version = $2 AND (last_used_at IS NULL OR last_used_at < $3)`
	useKey = `UPDATE keys SET used_at = $2 WHERE id = $1 AND used_at < $2
		AND (EXISTS (SELECT 1 FROM secrets WHERE key_id = $1 AND version = $3)
			OR EXISTS (SELECT 1 FROM retired_secrets WHERE key_id = $1 AND version = $3))`
	useMinute = `INSERT INTO key_minutes (key_id, minute, calls) SELECT $1::text, $2::bigint, $3::bigint WHERE EXISTS (SELECT 1 FROM keys WHERE id = $1)
		ON CONFLICT (key_id, minute) DO UPDATE SET calls = key_minutes.calls + excluded.calls`
	useHour = `INSERT INTO key_days (key_id, day, %[1]s) SELECT $1::text, $2::bigint, $3::bigint WHERE EXISTS (SELECT 1 FROM keys WHERE id = $1)
		ON CONFLICT (key_id, day) DO UPDATE SET %[1]s = key_days.%[1]s + excluded.%[1]s`
	useCaller = `INSERT INTO key_callers (key_id, address, agent, last_used_at)
		SELECT $1::text, $2::text, $3::text, $4::bigint WHERE EXISTS (SELECT 1 FROM keys WHERE id = $1)
		ON CONFLICT (key_id, address, agent) DO UPDATE SET last_used_at = greatest(key_callers.last_used_at, excluded.last_used_at)`
	trimCallers = `DELETE FROM key_callers WHERE key_id = $1 AND (address, agent) NOT IN (
		SELECT address, agent FROM key_callers WHERE key_id = $1 ORDER BY last_used_at DESC, address, agent LIMIT $2)`
)

func queueUse(b *pgx.Batch, k store.KeyUse) error {
	texts := []any{k.KeyID}
	for _, s := range k.Secrets {
		b.Queue(useSecret, k.KeyID, s.Version, s.At.UnixMicro(), statements.TextOrNull(s.AddressPrefix), statements.TextOrNull(s.Agent))
		b.Queue(useRetired, k.KeyID, s.Version, s.At.UnixMicro()) // if it was retired since
		b.Queue(useKey, k.KeyID, s.At.UnixMicro(), s.Version)
		texts = append(texts, s.AddressPrefix, s.Agent)
	}
	for _, m := range k.Minutes {
		b.Queue(useMinute, k.KeyID, m.Minute, m.Calls)
		hour := m.Minute / 60
		b.Queue(fmt.Sprintf(useHour, statements.HourColumn(hour)), k.KeyID, hour/statements.HoursOfDay, m.Calls)
	}
	for _, c := range k.Callers {
		b.Queue(useCaller, k.KeyID, c.AddressPrefix, c.Agent, c.At.UnixMicro())
		texts = append(texts, c.AddressPrefix, c.Agent)
	}
	if len(k.Callers) > 0 {
		b.Queue(trimCallers, k.KeyID, store.CallersMax)
	}
	if !storable(texts) {
		return errText
	}
	return nil
}
