package statements

import (
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const ruleColumns = `r.id, r.org_id, r.name, r.folded_name, r.provider, r.issuer, r.conditions, r.pins, r.permissions, r.key_names,
	r.created_by_type, r.created_by_id, r.created_by_name, r.created_at, r.last_used_at`

func ruleInto(r *store.TrustRule) []any {
	return []any{
		&r.ID, &r.OrgID, &r.Name, &r.FoldedName, &r.Provider, &r.Issuer,
		facts{&r.Conditions},
		facts{&r.Pins},
		texts{&r.Permissions},
		texts{&r.KeyNames},
		&r.CreatedBy.Type, &r.CreatedBy.ID, &r.CreatedBy.Name,
		moment{&r.CreatedAt},
		moment{&r.LastUsedAt},
	}
}

// AddTrustRule implements store.Tx.
func (t *Tx) AddTrustRule(r store.TrustRule) error {
	conditions, err := factsText(r.Conditions)
	if err != nil {
		return err
	}
	pins, err := factsText(r.Pins)
	if err != nil {
		return err
	}
	permissions, err := textsOrNull(r.Permissions)
	if err != nil {
		return err
	}
	names, err := textsOrNull(r.KeyNames)
	if err != nil {
		return err
	}
	const q = `INSERT INTO trust_rules (id, org_id, name, folded_name, provider, issuer, conditions, pins, permissions, key_names,
		created_by_type, created_by_id, created_by_name, created_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`
	return t.add("trust rule", q, r.ID, r.OrgID, r.Name, r.FoldedName, r.Provider, r.Issuer, conditions, pins, permissions, names,
		r.CreatedBy.Type, r.CreatedBy.ID, r.CreatedBy.Name, micros(r.CreatedAt), orNull(r.LastUsedAt))
}

const (
	ruleByID     = `SELECT ` + ruleColumns + ` FROM trust_rules r WHERE r.org_id = $1 AND r.id = $2`
	ruleByName   = `SELECT ` + ruleColumns + ` FROM trust_rules r WHERE r.org_id = $1 AND r.folded_name = $2`
	trustSession = `SELECT s.id, s.rule_id, s.name, s.hint, s.created_at, s.expires_at, ` + ruleColumns + `
	FROM trust_sessions s JOIN trust_rules r ON r.id = s.rule_id WHERE s.digest = $1`
)

// TrustRule implements store.Tx.
func (t *Tx) TrustRule(orgID, id string) (r store.TrustRule, err error) {
	err = t.row("trust rule", ruleByID, []any{orgID, id}, ruleInto(&r)...)
	return r, err
}

// TrustRuleByName implements store.Tx.
func (t *Tx) TrustRuleByName(orgID, folded string) (r store.TrustRule, err error) {
	err = t.row("trust rule", ruleByName, []any{orgID, folded}, ruleInto(&r)...)
	return r, err
}

// TrustRules implements store.Tx.
func (t *Tx) TrustRules(orgID string) ([]store.TrustRule, error) {
	return t.rules("trust_rules_org", "org_id", orgID)
}

// TrustRulesOf implements store.Tx.
func (t *Tx) TrustRulesOf(issuer string) ([]store.TrustRule, error) {
	return t.rules("trust_rules_issuer", "issuer", issuer)
}

func (t *Tx) rules(index, column, value string) ([]store.TrustRule, error) {
	query := `SELECT ` + ruleColumns + ` FROM trust_rules r` + t.engine.Dialect().index(index) + ` WHERE r.` + column + ` = $1 ORDER BY r.id`
	var out []store.TrustRule
	err := t.rows("trust rules", query, []any{value}, func(row Row) error {
		var r store.TrustRule
		err := row.Scan(ruleInto(&r)...)
		out = append(out, r)
		return err
	})
	return out, err
}

// UseTrustRule implements store.Tx.
func (t *Tx) UseTrustRule(r store.TrustRule) error {
	pins, err := factsText(r.Pins)
	if err != nil {
		return err
	}
	const q = `UPDATE trust_rules SET pins = $2, last_used_at = $3 WHERE id = $1`
	return t.change("trust rule", store.ErrNotFound, q, r.ID, pins, orNull(r.LastUsedAt))
}

// DeleteTrustRule implements store.Tx.
func (t *Tx) DeleteTrustRule(id string) error {
	if err := t.exec("sessions of a trust rule", `DELETE FROM trust_sessions WHERE rule_id = $1`, id); err != nil {
		return err
	}
	return t.change("trust rule", store.ErrNotFound, `DELETE FROM trust_rules WHERE id = $1`, id)
}

// AddTrustSession implements store.Tx.
func (t *Tx) AddTrustSession(s store.NewTrustSession) error {
	const q = `INSERT INTO trust_sessions (id, rule_id, name, digest, pepper_id, hint, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	return t.add("session of a job", q, s.ID, s.RuleID, s.Name, s.Digest[:], s.PepperID, s.Hint, micros(s.CreatedAt), micros(s.ExpiresAt))
}

// TrustSessionByDigest implements store.Tx.
func (t *Tx) TrustSessionByDigest(digest [32]byte) (s store.TrustSession, r store.TrustRule, err error) {
	into := append([]any{&s.ID, &s.RuleID, &s.Name, &s.Hint, moment{&s.CreatedAt}, moment{&s.ExpiresAt}}, ruleInto(&r)...)
	err = t.row("session of a job", trustSession, []any{digest[:]}, into...)
	return s, r, err
}

// EndTrustSession implements store.Tx.
func (t *Tx) EndTrustSession(id string) error {
	return t.exec("session of a job", `DELETE FROM trust_sessions WHERE id = $1`, id)
}

// SpendTrustToken implements store.Tx.
func (t *Tx) SpendTrustToken(digest [32]byte, expires time.Time) error {
	return t.add("token of a job", `INSERT INTO trust_tokens (digest, expires_at) VALUES ($1, $2)`, digest[:], micros(expires))
}
