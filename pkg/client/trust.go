package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// ExchangeToken gives a session for the OIDC token of a CI job (RFC 8693); org may be empty. It is not tried again by itself: a
// token is taken once. The token goes to the client's own origin alone.
func (c *Client) ExchangeToken(ctx context.Context, token, org string) (secret.Secret, error) {
	form := url.Values{
		"grant_type": {api.ExchangeGrantType}, "subject_token": {token}, "subject_token_type": {api.TokenTypeID},
		"requested_token_type": {api.TokenTypeAccess},
	}
	set(form, "org", org)
	var out api.ExchangedToken
	if err := c.do(ctx, request{method: http.MethodPost, path: "/v1/token", form: form}, &out); err != nil {
		return secret.Secret{}, err
	}
	return c.sessionToken(out.AccessToken)
}

// TrustRules returns the organisation's trust rules, oldest first.
func (c *Client) TrustRules(ctx context.Context, org string) ([]api.TrustRule, error) {
	var out api.TrustRuleList
	err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "trust-rules")}, &out)
	return out.Rules, err
}

// CreateTrustRule makes a rule. It is not tried again by itself: the second try would find the name taken by the first.
func (c *Client) CreateTrustRule(ctx context.Context, org string, in api.CreateTrustRuleRequest) (api.TrustRule, error) {
	var out api.TrustRuleEnvelope
	err := c.do(ctx, request{method: http.MethodPost, path: orgPath(org, "trust-rules"), body: in}, &out)
	return out.Rule, err
}

// DeleteTrustRule deletes a rule by name or id.
func (c *Client) DeleteTrustRule(ctx context.Context, org, rule string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: orgPath(org, "trust-rules", rule), gone: api.CodeTrustNotFound}, nil)
}
