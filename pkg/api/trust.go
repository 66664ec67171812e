package api

import "time"

// TrustProvider is the kind of platform whose jobs a trust rule lets in.
type TrustProvider string

// The providers.
const (
	TrustGitHub TrustProvider = "github"
	TrustGitLab TrustProvider = "gitlab"
	TrustOIDC   TrustProvider = "oidc"
)

// TrustProviders lists every provider.
func TrustProviders() []TrustProvider { return []TrustProvider{TrustGitHub, TrustGitLab, TrustOIDC} }

// TrustPermissions are those that a trust rule can give: what it gives concerns keys alone, so that no job can give itself more.
func TrustPermissions() []Permission {
	return []Permission{KeysRead, KeysWrite, KeysReveal, KeysRotate}
}

// TrustRule lets jobs in by the token that their platform signs. Conditions are claims and the exact values that they must have;
// Pins are claims whose values were taken from the first token that was let in, and must be the same ever since.
type TrustRule struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Provider    TrustProvider     `json:"provider"`
	Issuer      string            `json:"issuer"`
	Audience    string            `json:"audience"` // the only one that a token may have: the service's public URL
	Conditions  map[string]string `json:"conditions"`
	Pins        map[string]string `json:"pins"`
	Permissions []Permission      `json:"permissions"`
	Keys        []string          `json:"keys"` // names of keys, in which '*' stands for any characters
	CreatedAt   time.Time         `json:"created_at"`
	CreatedBy   Actor             `json:"created_by"`
	LastUsedAt  *time.Time        `json:"last_used_at"`
}

// TrustRuleList is an organisation's trust rules, oldest first.
type TrustRuleList struct {
	Rules         []TrustRule `json:"trust_rules"`
	NextPageToken string      `json:"next_page_token"`
}

// TrustRuleEnvelope is the answer that holds one rule.
type TrustRuleEnvelope struct {
	Rule TrustRule `json:"trust_rule"`
}

// CreateTrustRuleRequest asks for a rule. Name may be empty: it is made of the conditions. Issuer may be empty where the provider
// has one of its own.
type CreateTrustRuleRequest struct {
	Name        string            `json:"name,omitempty"`
	Provider    TrustProvider     `json:"provider"`
	Issuer      string            `json:"issuer,omitempty"`
	Conditions  map[string]string `json:"conditions"`
	Permissions []Permission      `json:"permissions"`
	Keys        []string          `json:"keys"`
}

// What a token exchange is asked with (RFC 8693 §2.1, §3).
const (
	ExchangeGrantType = "urn:ietf:params:oauth:grant-type:token-exchange"
	TokenTypeID       = "urn:ietf:params:oauth:token-type:id_token"
	TokenTypeJWT      = "urn:ietf:params:oauth:token-type:jwt"
	TokenTypeAccess   = "urn:ietf:params:oauth:token-type:access_token"
)

// ExchangedToken answers a token exchange (RFC 8693 §2.2.1). ExpiresIn is in seconds; Scope is the permissions.
type ExchangedToken struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	Scope           string `json:"scope"`
}
