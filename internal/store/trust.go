package store

import "time"

// TrustRule lets the jobs of a pipeline in by the token that their platform signs. Its folded name is unique in its org.
type TrustRule struct {
	ID          string
	OrgID       string
	Name        string
	FoldedName  string
	Provider    string
	Issuer      string
	Conditions  map[string]string // claims and the values that they must have
	Pins        map[string]string // claims and the values that they had at first use
	Permissions []string
	KeyNames    []string // patterns
	CreatedBy   Actor
	CreatedAt   time.Time
	LastUsedAt  time.Time
}

// TrustSession is what a job's token was exchanged for.
type TrustSession struct {
	ID        string
	RuleID    string
	Name      string // what the job called itself
	Hint      string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// NewTrustSession is a job's session as it is added.
type NewTrustSession struct {
	TrustSession

	Digest   [32]byte // unique
	PepperID string
}

// TrustTx is the part of a Tx that trust rules need.
type TrustTx interface {
	// AddTrustRule adds a rule. ErrExists: the org has one of this folded name.
	AddTrustRule(r TrustRule) error
	TrustRule(orgID, id string) (TrustRule, error)
	TrustRuleByName(orgID, folded string) (TrustRule, error)
	// TrustRules returns the rules of an org, oldest first.
	TrustRules(orgID string) ([]TrustRule, error)
	// TrustRulesOf returns the rules of all orgs for an issuer, oldest first.
	TrustRulesOf(issuer string) ([]TrustRule, error)
	// UseTrustRule writes pins and last use.
	UseTrustRule(r TrustRule) error
	// DeleteTrustRule removes a rule and its sessions.
	DeleteTrustRule(id string) error

	AddTrustSession(s NewTrustSession) error
	// TrustSessionByDigest returns a session, also an expired one, and its rule.
	TrustSessionByDigest(digest [32]byte) (TrustSession, TrustRule, error)
	// EndTrustSession removes a session, if it is there.
	EndTrustSession(id string) error
	// SpendTrustToken remembers a token, or what else works once, until it expires. ErrExists: it is known.
	SpendTrustToken(digest [32]byte, expires time.Time) error
}
