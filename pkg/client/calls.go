package client

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Session says who is signed in, and in which organisations.
func (c *Client) Session(ctx context.Context) (api.SessionInfo, error) {
	var out api.SessionInfo
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/session"}, &out)
	return out, err
}

// SignOut ends the session; its token answers 401 from then on.
func (c *Client) SignOut(ctx context.Context) error {
	return c.do(ctx, request{method: http.MethodDelete, path: "/v1/session"}, nil)
}

// CreateKey makes a key. The secret is in this answer. It carries an Idempotency-Key, so that it is tried again without
// making a second key.
func (c *Client) CreateKey(ctx context.Context, org string, in api.CreateKeyRequest) (api.Key, secret.Secret, error) {
	return c.withSecret(ctx, request{method: http.MethodPost, path: orgPath(org, "keys"), body: in, idempotency: rand.Text()})
}

// RevealKey reads a recoverable key's current secret. The service records an event.
func (c *Client) RevealKey(ctx context.Context, org, key string) (api.Key, secret.Secret, error) {
	return c.withSecret(ctx, request{method: http.MethodPost, path: orgPath(org, "keys", key, "reveal")})
}

func (c *Client) withSecret(ctx context.Context, r request) (api.Key, secret.Secret, error) {
	var out api.KeyWithSecret
	if err := c.do(ctx, r, &out); err != nil {
		return api.Key{}, secret.Secret{}, err
	}
	s, err := secret.Parse(secret.Key, out.Secret)
	if err != nil {
		return out.Key, secret.Secret{}, &Error{
			Origin: c.Origin(), Code: CodeOddAnswer, Message: "the service answered with a secret that is none: " + err.Error(),
		}
	}
	return out.Key, s, nil
}

// UpdateKey changes a key's name, tags or expiry.
func (c *Client) UpdateKey(ctx context.Context, org, key string, in api.UpdateKeyRequest) (api.Key, error) {
	return c.changed(ctx, request{method: http.MethodPatch, path: orgPath(org, "keys", key), body: in})
}

// DisableKey cuts a key's access at once.
func (c *Client) DisableKey(ctx context.Context, org, key, reason string) (api.Key, error) {
	return c.changed(ctx, request{method: http.MethodPost, path: orgPath(org, "keys", key, "disable"), body: api.ReasonRequest{Reason: reason}, idempotent: true})
}

// EnableKey gives a disabled key its access back.
func (c *Client) EnableKey(ctx context.Context, org, key, reason string) (api.Key, error) {
	return c.changed(ctx, request{method: http.MethodPost, path: orgPath(org, "keys", key, "enable"), body: api.ReasonRequest{Reason: reason}, idempotent: true})
}

func (c *Client) changed(ctx context.Context, r request) (api.Key, error) {
	var out api.KeyEnvelope
	err := c.do(ctx, r, &out)
	return out.Key, err
}

// DeleteKeyOptions says under which conditions a key is deleted.
type DeleteKeyOptions struct {
	// AcknowledgeRecentUse deletes a key although it was used in the last 24 hours; else that is api.CodeKeyRecentlyUsed.
	AcknowledgeRecentUse bool
}

// DeleteKey deletes a key by name or id.
func (c *Client) DeleteKey(ctx context.Context, org, key string, opts DeleteKeyOptions) error {
	query := url.Values{}
	if opts.AcknowledgeRecentUse {
		query.Set("acknowledge_recent_use", "true")
	}
	return c.do(ctx, request{method: http.MethodDelete, path: orgPath(org, "keys", key), query: query, gone: api.CodeKeyNotFound}, nil)
}

// KeyUsage says who used a key lately, exact up to this moment.
func (c *Client) KeyUsage(ctx context.Context, org, key string) (api.Usage, error) {
	var out api.UsageEnvelope
	err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "keys", key, "usage")}, &out)
	return out.Usage, err
}

// LookupKey says which key of the organisation a secret is of; api.CodeKeyNotFound when it is none of them.
func (c *Client) LookupKey(ctx context.Context, org string, s secret.Secret) (api.Lookup, error) {
	var out api.Lookup
	err := c.do(ctx, request{method: http.MethodPost, path: orgPath(org, "keys", "lookup"), body: api.LookupRequest{Secret: s.Reveal()}, idempotent: true}, &out)
	return out, err
}

// Key returns one key by name or id.
func (c *Client) Key(ctx context.Context, org, key string) (api.Key, error) {
	return c.oneKey(ctx, orgPath(org, "keys", key))
}

// ActiveKey returns the key that MCP setups use; api.CodeNoActiveKey when there is none.
func (c *Client) ActiveKey(ctx context.Context, org string) (api.Key, error) {
	return c.oneKey(ctx, orgPath(org, "active-key"))
}

func (c *Client) oneKey(ctx context.Context, path string) (api.Key, error) {
	var out api.KeyEnvelope
	err := c.do(ctx, request{method: http.MethodGet, path: path}, &out)
	return out.Key, err
}

// MCP returns the name and URL of the hosted MCP server.
func (c *Client) MCP(ctx context.Context, org string) (api.MCPServer, error) {
	var out api.MCPInfo
	err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "mcp")}, &out)
	return out.MCP, err
}

// Self asks which key a secret is, with the secret itself: the first request to make.
func (c *Client) Self(ctx context.Context, key secret.Secret) (api.Self, error) {
	var out api.Self
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/self", bearer: key}, &out)
	return out, err
}

// VerifyKey asks whether a key that somebody presented may pass, and whose it is. It is a use of the key. One of an organisation in
// which the session may not read keys is answered as unknown.
func (c *Client) VerifyKey(ctx context.Context, s secret.Secret) (api.Verification, error) {
	var out api.Verification
	err := c.do(ctx, request{method: http.MethodPost, path: "/v1/keys/verify", body: api.VerifyRequest{Secret: s.Reveal()}, idempotent: true}, &out)
	return out, err
}

func orgPath(org string, rest ...string) string {
	var path strings.Builder
	path.WriteString("/v1/orgs/" + url.PathEscape(org))
	for _, segment := range rest {
		path.WriteString("/" + url.PathEscape(segment))
	}
	return path.String()
}
