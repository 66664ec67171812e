package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// useStatements are prepared once for all the keys of a call.
type useStatements struct {
	t     *tx
	stmts map[string]*sql.Stmt
}

// exec runs the query and says how many rows it changed.
func (u *useStatements) exec(query string, args ...any) (int64, error) {
	stmt := u.stmts[query]
	if stmt == nil {
		var err error
		if stmt, err = u.t.tx.PrepareContext(u.t.ctx, query); err != nil { // close closes all
			return 0, rowError("use", err)
		}
		u.stmts[query] = stmt
	}
	res, err := stmt.ExecContext(u.t.ctx, args...)
	if err != nil {
		return 0, rowError("use", err)
	}
	return res.RowsAffected()
}

func (u *useStatements) close() error {
	var errs []error
	for _, stmt := range u.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// RecordUses implements store.Tx.
func (t *tx) RecordUses(uses []store.KeyUse) (err error) {
	u := &useStatements{t, map[string]*sql.Stmt{}}
	defer func() { err = errors.Join(err, u.close()) }()
	for _, k := range uses {
		if err := u.record(k); err != nil {
			return err
		}
	}
	return nil
}

const (
	useSecret = `UPDATE secrets SET last_used_at = $3, last_prefix = $4, last_agent = $5
		WHERE key_id = $1 AND version = $2 AND (last_used_at IS NULL OR last_used_at < $3)`
	useRetired = `UPDATE retired_secrets SET last_used_at = $3
		WHERE key_id = $1 AND version = $2 AND (last_used_at IS NULL OR last_used_at < $3)`
	useKey = `UPDATE keys SET used_at = $2 WHERE id = $1 AND used_at < $2
		AND (EXISTS (SELECT 1 FROM secrets WHERE key_id = $1 AND version = $3)
			OR EXISTS (SELECT 1 FROM retired_secrets WHERE key_id = $1 AND version = $3))`
	useMinute = `INSERT INTO key_minutes (key_id, minute, calls) SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM keys WHERE id = $1)
		ON CONFLICT (key_id, minute) DO UPDATE SET calls = calls + excluded.calls`
	useCaller = `INSERT INTO key_callers (key_id, address, agent, last_used_at)
		SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM keys WHERE id = $1)
		ON CONFLICT (key_id, address, agent) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)`
	trimCallers = `DELETE FROM key_callers WHERE key_id = $1 AND (address, agent) NOT IN (
		SELECT address, agent FROM key_callers WHERE key_id = $1 ORDER BY last_used_at DESC, address, agent LIMIT $2)`
)

func (u *useStatements) record(k store.KeyUse) error {
	for _, s := range k.Secrets {
		n, err := u.exec(useSecret, k.KeyID, s.Version, micros(s.At), textOrNull(s.AddressPrefix), textOrNull(s.Agent))
		if err != nil {
			return err
		}
		if n == 0 { // it was retired since, or used later
			if _, err := u.exec(useRetired, k.KeyID, s.Version, micros(s.At)); err != nil {
				return err
			}
		}
		if _, err := u.exec(useKey, k.KeyID, micros(s.At), s.Version); err != nil {
			return err
		}
	}
	for _, m := range k.Minutes {
		if _, err := u.exec(useMinute, k.KeyID, m.Minute, m.Calls); err != nil {
			return err
		}
	}
	for _, c := range k.Callers {
		if _, err := u.exec(useCaller, k.KeyID, c.AddressPrefix, c.Agent, micros(c.At)); err != nil {
			return err
		}
	}
	if len(k.Callers) == 0 {
		return nil
	}
	_, err := u.exec(trimCallers, k.KeyID, store.CallersMax)
	return err
}

// KeyUse implements store.Tx.
func (t *tx) KeyUse(keyID string, w store.UseWindow) (store.UseSum, error) {
	var sum store.UseSum
	const calls = `SELECT ifnull(sum(calls) FILTER (WHERE minute >= $2), 0), ifnull(sum(calls) FILTER (WHERE minute >= $3), 0)
		FROM key_minutes WHERE key_id = $1 AND minute >= min($2, $3)`
	if err := t.row("calls", calls, []any{keyID, w.Hour, w.Day}, &sum.Hour, &sum.Day); err != nil {
		return sum, err
	}
	const callers = `SELECT address, agent, last_used_at FROM key_callers WHERE key_id = $1 AND last_used_at >= $2
		ORDER BY last_used_at DESC, address, agent`
	err := t.rows("callers", callers, []any{keyID, micros(w.Since)}, func(r scanner) error {
		var c store.CallerUse
		err := r.Scan(&c.AddressPrefix, &c.Agent, moment{&c.At})
		sum.Callers = append(sum.Callers, c)
		return err
	})
	return sum, err
}

// PutAnswer implements store.Tx.
func (t *tx) PutAnswer(a store.Answer) error {
	const q = `INSERT OR REPLACE INTO answers (id, fingerprint, key_id, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)`
	return t.exec("answer", q, a.ID[:], a.Fingerprint[:], a.KeyID, a.Sealed, micros(a.ExpiresAt))
}

// Answer implements store.Tx.
func (t *tx) Answer(id [32]byte, now time.Time) (store.Answer, error) {
	a := store.Answer{ID: id}
	var fingerprint []byte
	const q = `SELECT fingerprint, key_id, sealed, expires_at FROM answers WHERE id = $1 AND expires_at > $2`
	if err := t.row("answer", q, []any{id[:], micros(now)}, &fingerprint, &a.KeyID, &a.Sealed, moment{&a.ExpiresAt}); err != nil {
		return a, err
	}
	copy(a.Fingerprint[:], fingerprint)
	return a, nil
}
