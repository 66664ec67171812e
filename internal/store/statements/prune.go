package statements

import (
	"github.com/keyfob/keyfob/internal/store"
)

type pruneStep struct {
	query string // deletes the oldest $2 of the rows that are older than $1
	until any
}

func pruneSteps(d Dialect, a store.Age) []pruneStep {
	lastUse := d.IfNull + `(last_used_at, created_at)`
	return []pruneStep{
		{`DELETE FROM key_minutes WHERE (key_id, minute) IN (
			SELECT key_id, minute FROM key_minutes WHERE minute < $1 ORDER BY minute LIMIT $2)`, a.Minute},
		{`DELETE FROM key_days WHERE (key_id, day) IN (
			SELECT key_id, day FROM key_days WHERE day < $1 ORDER BY day LIMIT $2)`, a.Hour / HoursOfDay},
		{`DELETE FROM key_callers WHERE (key_id, address, agent) IN (
			SELECT key_id, address, agent FROM key_callers WHERE last_used_at < $1 ORDER BY last_used_at LIMIT $2)`, micros(a.Callers)},
		{`DELETE FROM answers WHERE id IN (
			SELECT id FROM answers WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, micros(a.Answers)},
		{`DELETE FROM trust_tokens WHERE digest IN (
			SELECT digest FROM trust_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, micros(a.Answers)},
		{`DELETE FROM trust_sessions WHERE id IN (
			SELECT id FROM trust_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, micros(a.Answers)},
		{`DELETE FROM device_grants WHERE id IN (
			SELECT id FROM device_grants WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, micros(a.Grants)},
		{`DELETE FROM tries WHERE (kind, subject) IN (
			SELECT kind, subject FROM tries WHERE since < $1 ORDER BY since LIMIT $2)`, micros(a.Tries)},
		{`DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE over_at < $1 ORDER BY over_at LIMIT $2)`, micros(a.Ended)},
		{`DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE ended_at IS NULL AND expires_at IS NULL AND ` + lastUse + ` < $1
			ORDER BY ` + lastUse + ` LIMIT $2)`, micros(a.Idle)},
		{`DELETE FROM invitations WHERE id IN (
			SELECT id FROM invitations WHERE over_at < $1 ORDER BY over_at LIMIT $2)`, micros(a.Ended)},
	}
}

// Prune implements store.Tx.
func (t *Tx) Prune(a store.Age, limit int) (int, error) {
	most := 0
	for _, p := range pruneSteps(t.engine.Dialect(), a) {
		n, err := t.engine.Run("old rows", p.query, p.until, limit)
		if err != nil {
			return most, err
		}
		most = max(most, int(n))
	}
	return most, nil
}
