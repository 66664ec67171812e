package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// JobLimit is how long the session of a job lives.
const JobLimit = 15 * time.Minute

// ErrTokenRefused is the one answer to every token that is not taken. Why is in the events of the org that it concerns.
var ErrTokenRefused = errors.New("the token was not accepted")

// TokenVerifier checks the tokens of jobs. What its errors say goes into events: they hold no token.
type TokenVerifier interface {
	// CheckIssuer says why a string can't be an issuer.
	CheckIssuer(issuer string) error
	// Peek returns what a token says, checked by nobody, so that its issuer can be looked for before anything is asked of it.
	Peek(token string) (issuer string, claims map[string]any, err error)
	// Verify checks a token of a trusted issuer: its signature and when it is valid.
	Verify(ctx context.Context, issuer, token string, now time.Time) (JobToken, error)
}

// JobToken is a token that was checked, but for whom it is for and what it must say.
type JobToken struct {
	ID       string    // its jti; not empty
	Expires  time.Time // until when, leeway included, it would be taken again
	Audience []string
	Claims   map[string]any
}

// Exchange asks for a session for a job's token (RFC 8693).
type Exchange struct {
	Token    string
	Audience string // what the request says of it; empty: nothing
	Org      string // slug or id; empty: the one whose rule matches
	Ours     string // the only audience that counts
	Address  string // the IP address that asks
}

// exchangeLimit is of failed exchanges. Hosted runners share addresses, so it is higher than that of passwords.
func exchangeLimit() limit { return limit{"token of job from address", 100, 15 * time.Minute} }

// refusedLimit is of events of refusals: anybody can send tokens that name a project.
func refusedLimit() limit { return limit{"refused token of org", 100, 15 * time.Minute} }

// untaken is why a token was not taken, and the rules that it is about.
type untaken struct {
	reason string
	rules  []store.TrustRule
	told   map[string]string
}

func (r *untaken) Error() string { return r.reason }

// ExchangeToken gives a session for a job's token: for JobLimit, in one org, with what one trust rule gives. A token is taken
// once. ErrTokenRefused: it is not taken. CodeTooManyTries: too many were not, from this address.
func (s *Service) ExchangeToken(ctx context.Context, in Exchange) (SignedIn, error) {
	from := s.triesOf(in.Address)
	err := s.view(ctx, func(tx store.Tx) error {
		_, err := exchangeLimit().count(tx, from, s.now())
		return err
	})
	if err != nil {
		return SignedIn{}, fmt.Errorf("exchange a token: %w", err)
	}
	out, err := s.exchange(ctx, in)
	var no *untaken
	if !errors.As(err, &no) {
		if err != nil {
			err = fmt.Errorf("exchange a token: %w", err)
		}
		return out, err
	}
	if err := s.tellRefusal(ctx, in, from, no); err != nil {
		return SignedIn{}, fmt.Errorf("exchange a token: %w", err)
	}
	return SignedIn{}, ErrTokenRefused
}

func (s *Service) exchange(ctx context.Context, in Exchange) (SignedIn, error) {
	if s.tokens == nil {
		return SignedIn{}, &untaken{reason: "this service takes no tokens of jobs"}
	}
	issuer, said, err := s.tokens.Peek(in.Token)
	if err != nil {
		return SignedIn{}, &untaken{reason: err.Error()}
	}
	no := &untaken{told: facts("issuer", cut(issuer), "subject", cut(claims(said).text("sub")))}
	err = s.view(ctx, func(tx store.Tx) (err error) {
		no.rules, err = trustRulesFor(tx, issuer, in.Org)
		return err
	})
	if err != nil {
		return SignedIn{}, err
	}
	if len(no.rules) == 0 {
		no.reason = "no rule is for the issuer " + shown(issuer)
		return SignedIn{}, no
	}
	token, err := s.tokens.Verify(ctx, issuer, in.Token, s.now())
	switch {
	case err != nil:
		no.reason = err.Error()
	case len(token.Audience) != 1 || token.Audience[0] != in.Ours || in.Ours == "":
		no.reason = "aud is not " + in.Ours + " alone"
	case in.Audience != "" && in.Audience != in.Ours:
		no.reason = "it was to be exchanged for " + shown(in.Audience) + ", not for " + in.Ours
	}
	if named := slices.DeleteFunc(slices.Clone(no.rules), func(r store.TrustRule) bool { return !names(r, said) }); len(named) > 0 {
		no.rules = named
	}
	if no.reason != "" {
		return SignedIn{}, no
	}
	return s.letIn(ctx, in, issuer, token, no)
}

// letIn takes the token, and begins the session of the rule that lets it in.
func (s *Service) letIn(ctx context.Context, in Exchange, issuer string, token JobToken, no *untaken) (out SignedIn, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		rules, err := trustRulesFor(tx, issuer, in.Org) // as they are now
		if err != nil {
			return err
		}
		rule, why := choose(rules, token.Claims)
		if why != "" || rule.ID == "" {
			no.reason = "no rule matches: " + why
			return no
		}
		no.rules = []store.TrustRule{rule}
		if err := s.spend(tx, "jti", strconv.Itoa(len(issuer))+"|"+issuer+"|"+token.ID, token.Expires); errors.Is(err, store.ErrExists) {
			no.reason = "the token with this jti was used before"
			return no
		} else if err != nil {
			return err
		}
		out, err = s.beginJob(tx, rule, token.Claims)
		return err
	})
	return out, err
}

// beginJob adds the session of a job and records it; what the rule pins is pinned.
func (s *Service) beginJob(tx store.Tx, rule store.TrustRule, c claims) (SignedIn, error) {
	p, err := providerOf(providerName(rule))
	if err != nil {
		return SignedIn{}, err
	}
	org, err := tx.Org(rule.OrgID)
	if err != nil {
		return SignedIn{}, err
	}
	for _, name := range p.pins {
		rule.Pins[name] = c.text(name)
	}
	rule.LastUsedAt = s.now()
	if err := tx.UseTrustRule(rule); err != nil {
		return SignedIn{}, err
	}
	token := secret.New(secret.Session)
	row := store.TrustSession{
		RuleID: rule.ID, Name: jobName(c), Hint: token.Hint(), CreatedAt: s.now(), ExpiresAt: s.now().Add(JobLimit),
	}
	if row.ID, err = newID(sessionPrefix); err != nil {
		return SignedIn{}, err
	}
	pepper, err := s.keys.peppers.toWrite(tx)
	if err != nil {
		return SignedIn{}, err
	}
	add := store.NewTrustSession{TrustSession: row, Digest: pepper.secrets.Digest(token), PepperID: pepper.id}
	if err := tx.AddTrustSession(add); err != nil {
		return SignedIn{}, err
	}
	data := facts("rule", rule.ID, "session", row.ID, "hint", row.Hint, "permissions", strings.Join(rule.Permissions, " "),
		"keys", strings.Join(rule.KeyNames, " "))
	for _, name := range slices.Concat(p.pins, p.told, []string{p.needs}) {
		if value := cut(c.text(name)); value != "" && name != "" {
			data[name] = value
		}
	}
	who := jobOf(row, rule, org)
	return SignedIn{Token: token, Session: who.Session}, s.addEvent(tx, Event{Type: "trust.used", OrgID: org.ID, Actor: who.Actor(), Data: data})
}

// jobName is what a job's session is called.
func jobName(c claims) string {
	for _, words := range [][]string{
		{c.text("repository"), c.text("run_id")}, {c.text("project_path"), c.text("job_id")}, {c.text("sub")},
	} {
		if name := cleaned(strings.Join(words, " ")); words[0] != "" && name != "" {
			return name
		}
	}
	return "job"
}

// jobOf is who a job's session stands for: the rule, which is what everything that it does is recorded under.
func jobOf(row store.TrustSession, rule store.TrustRule, org store.Org) Principal {
	of := trustRuleOf(rule)
	return Principal{User: User{ID: of.ID, Name: of.Name}, Session: Session{
		ID: row.ID, Kind: api.SessionJob, Name: row.Name, Hint: row.Hint, UserID: of.ID, Org: orgOf(org),
		Permissions: of.Permissions, KeyNames: of.KeyNames, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
	}}
}

// jobByDigest is Authenticate for the session of a job.
func (s *Service) jobByDigest(tx store.Tx, digest [32]byte) (Principal, error) {
	row, rule, err := tx.TrustSessionByDigest(digest)
	if err != nil {
		return Principal{}, err
	}
	if past(row.ExpiresAt, s.now()) {
		return Principal{}, store.ErrNotFound
	}
	org, err := tx.Org(rule.OrgID)
	return jobOf(row, rule, org), err
}

// spend takes what works once; ErrExists: it was taken before, under whatever pepper.
func (s *Service) spend(tx store.Tx, purpose, text string, expires time.Time) error {
	all, err := s.keys.peppers.of(tx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := tx.SpendTrustToken(p.digest(purpose, text), expires); err != nil {
			return err
		}
	}
	return nil
}

// trustRulesFor returns the rules for an issuer: of one org, or of all.
func trustRulesFor(tx store.Tx, issuer, org string) ([]store.TrustRule, error) {
	rules, err := tx.TrustRulesOf(issuer)
	if err != nil || org == "" {
		return rules, err
	}
	o, err := orgByRef(tx, org)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return slices.DeleteFunc(rules, func(r store.TrustRule) bool { return r.OrgID != o.ID }), err
}

func orgByRef(tx store.Tx, ref string) (store.Org, error) {
	if isID(orgPrefix, ref) {
		return tx.Org(ref)
	}
	return tx.OrgBySlug(ref)
}

func providerName(r store.TrustRule) api.TrustProvider { return api.TrustProvider(r.Provider) }

// cut is text of a token as an event keeps it.
func cut(s string) string {
	const most = 255
	if holdsSecret(s) {
		return ""
	}
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
