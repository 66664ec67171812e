package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// TrustRule lets the jobs of a pipeline in by the token that their platform signs: with these permissions on these keys, for a
// quarter of an hour at a time. It belongs to the org, not to who made it.
type TrustRule struct {
	ID          string
	Name        string
	Provider    api.TrustProvider
	Issuer      string
	Conditions  map[string]string // claims and the values that they must have
	Pins        map[string]string // claims and the values that they had at first use
	Permissions []api.Permission
	KeyNames    []string // patterns
	CreatedAt   time.Time
	CreatedBy   Actor
	LastUsedAt  time.Time // zero: never
}

// NewTrustRule asks for a rule.
type NewTrustRule struct {
	Name        string // empty: made of the conditions
	Provider    api.TrustProvider
	Issuer      string // empty: the provider's own, where it has one
	Conditions  map[string]string
	Permissions []api.Permission // some of api.TrustPermissions
	KeyNames    []string         // 1 to 16 patterns, in which '*' stands for any characters
}

const (
	trustKeysMax  = 16
	trustRulesMax = 1000 // of an org
)

// CreateTrustRule makes a rule. Who makes it must have the permissions that it gives. CodeForbidden: they have not, or are a
// program. CodeNameTaken: the org has a rule of this name, or one with the same conditions.
func (s *Service) CreateTrustRule(ctx context.Context, p Principal, org string, in NewTrustRule) (TrustRule, error) {
	if err := p.notToken("make trust rules"); err != nil {
		return TrustRule{}, err
	}
	in, err := s.normalTrustRule(in)
	if err != nil {
		return TrustRule{}, err
	}
	row := store.TrustRule{
		Name: in.Name, FoldedName: fold(in.Name), Provider: string(in.Provider), Issuer: in.Issuer, Conditions: in.Conditions,
		Pins: map[string]string{}, Permissions: texts(in.Permissions), KeyNames: in.KeyNames, CreatedBy: p.Actor().row(), CreatedAt: s.now(),
	}
	if row.ID, err = newID(trustPrefix); err != nil {
		return TrustRule{}, err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, append([]api.Permission{api.TrustWrite}, in.Permissions...)...)
		if err != nil {
			return err
		}
		row.OrgID = o.ID
		if err := trustRuleFree(tx, row); err != nil {
			return err
		}
		if err := tx.AddTrustRule(row); err != nil {
			return nameTaken(row.Name, err)
		}
		return s.addEvent(tx, Event{Type: "trust.created", OrgID: o.ID, Actor: p.Actor(), Data: ruleFacts(row)})
	})
	if err != nil {
		return TrustRule{}, fmt.Errorf("create a trust rule: %w", err)
	}
	return trustRuleOf(row), nil
}

// trustRuleFree refuses a rule that none of its jobs would ever get by, since another has the same conditions.
func trustRuleFree(tx store.Tx, row store.TrustRule) error {
	all, err := tx.TrustRules(row.OrgID)
	if err != nil {
		return err
	}
	if len(all) >= trustRulesMax {
		return invalidf("the organisation has %d trust rules: at most %d", len(all), trustRulesMax)
	}
	for _, r := range all {
		if r.Issuer == row.Issuer && r.Provider == row.Provider && maps.Equal(r.Conditions, row.Conditions) {
			return refusef(api.CodeNameTaken, "delete that rule first, or add a condition: one job is let in by one rule",
				"the trust rule %s has the same conditions", shown(r.Name))
		}
	}
	return nil
}

func (s *Service) normalTrustRule(in NewTrustRule) (NewTrustRule, error) {
	provider, err := providerOf(in.Provider)
	if err != nil {
		return in, err
	}
	if in.Issuer == "" {
		in.Issuer = provider.issuer
	}
	if in.Issuer == "" {
		return in, invalidf("a rule for %s needs an issuer", provider.name)
	}
	if s.tokens == nil {
		return in, refusef(api.CodeUnavailable, "", "this service takes no tokens of jobs")
	}
	if err := s.tokens.CheckIssuer(in.Issuer); err != nil {
		return in, refusef(api.CodeInvalidRequest, "give it as the token's claim iss has it", "%s", err.Error())
	}
	if known, ok := platformOf(in.Issuer); ok && known != provider.name {
		return in, refusef(api.CodeInvalidRequest, "make a rule for "+string(known)+": it checks what such tokens say besides",
			"the issuer %s is that of %s", shown(in.Issuer), known)
	}
	if in.Conditions, err = provider.conditions(in.Conditions); err != nil {
		return in, err
	}
	if in.Permissions, err = trustPermissions(in.Permissions); err != nil {
		return in, err
	}
	if in.KeyNames, err = keyPatterns(in.KeyNames); err != nil {
		return in, err
	}
	for _, name := range []string{in.Conditions[provider.needs] + " " + in.Conditions["environment"], in.Conditions["sub"], in.Issuer} {
		if in.Name == "" {
			in.Name = cleaned(name)
		}
	}
	in.Name, err = normalName("the rule's name", in.Name)
	return in, err
}

func trustPermissions(in []api.Permission) ([]api.Permission, error) {
	known := api.TrustPermissions()
	for _, p := range in {
		if !slices.Contains(known, p) {
			return nil, refusef(api.CodeInvalidRequest, "take some of "+strings.Join(texts(known), ", "),
				"a trust rule can't give %s: what it gives concerns keys alone", shown(string(p)))
		}
	}
	out := slices.DeleteFunc(known, func(p api.Permission) bool { return !slices.Contains(in, p) })
	if len(out) == 0 {
		return nil, refusef(api.CodeInvalidRequest, "take some of "+strings.Join(texts(known), ", "), "a trust rule without permissions opens nothing")
	}
	return out, nil
}

func keyPatterns(in []string) ([]string, error) {
	if len(in) == 0 || len(in) > trustKeysMax {
		return nil, refusef(api.CodeInvalidRequest, "name the keys, such as ci-*", "the rule has %d patterns of key names: 1 to %d", len(in), trustKeysMax)
	}
	out := make([]string, len(in))
	for i, pattern := range in {
		if looksLikeSecret(pattern) {
			return nil, invalidf("a pattern of key names looks like a secret")
		}
		n, err := normalName("the pattern of key names", pattern)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// TrustRules returns the org's rules, oldest first.
func (s *Service) TrustRules(ctx context.Context, p Principal, org string) ([]TrustRule, error) {
	var rows []store.TrustRule
	err := s.view(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.TrustRead)
		if err != nil {
			return err
		}
		rows, err = tx.TrustRules(o.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list trust rules: %w", err)
	}
	out := make([]TrustRule, len(rows))
	for i, r := range rows {
		out[i] = trustRuleOf(r)
	}
	return out, nil
}

// DeleteTrustRule deletes a rule by name or id; the sessions of its jobs end with it. CodeTrustNotFound: there is none such.
func (s *Service) DeleteTrustRule(ctx context.Context, p Principal, org, ref string) error {
	if err := p.notToken("delete trust rules"); err != nil {
		return err
	}
	err := s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.TrustWrite)
		if err != nil {
			return err
		}
		row, err := findTrustRule(tx, o, ref)
		if err != nil {
			return err
		}
		return errors.Join(
			tx.DeleteTrustRule(row.ID),
			s.addEvent(tx, Event{Type: "trust.deleted", OrgID: o.ID, Actor: p.Actor(), Data: ruleFacts(row)}),
		)
	})
	if err != nil {
		return fmt.Errorf("delete a trust rule: %w", err)
	}
	return nil
}

func findTrustRule(tx store.Tx, org store.Org, ref string) (store.TrustRule, error) {
	row, err := store.TrustRule{}, store.ErrNotFound
	switch {
	case isID(trustPrefix, ref):
		row, err = tx.TrustRule(org.ID, ref)
	case len(ref) <= refMaxBytes:
		row, err = tx.TrustRuleByName(org.ID, fold(strings.ToValidUTF8(ref, "")))
	}
	if errors.Is(err, store.ErrNotFound) {
		return row, refusef(api.CodeTrustNotFound, "list them: keyfob trust list", "the organisation %s has no trust rule %s", shown(org.Slug), shown(ref))
	}
	return row, err
}

func trustRuleOf(r store.TrustRule) TrustRule {
	out := TrustRule{
		ID: r.ID, Name: r.Name, Provider: api.TrustProvider(r.Provider), Issuer: r.Issuer, Conditions: r.Conditions, Pins: r.Pins,
		KeyNames: r.KeyNames, CreatedAt: r.CreatedAt, CreatedBy: actorOf(r.CreatedBy), LastUsedAt: r.LastUsedAt,
	}
	for _, p := range r.Permissions {
		out.Permissions = append(out.Permissions, api.Permission(p))
	}
	return out
}

// ruleFacts is what events tell of a rule.
func ruleFacts(r store.TrustRule) map[string]string {
	var conditions []string
	for _, name := range slices.Sorted(maps.Keys(r.Conditions)) {
		conditions = append(conditions, name+"="+r.Conditions[name])
	}
	return facts("rule", r.ID, "name", r.Name, "provider", r.Provider, "issuer", r.Issuer, "conditions", strings.Join(conditions, " "),
		"permissions", strings.Join(r.Permissions, " "), "keys", strings.Join(r.KeyNames, " "))
}
