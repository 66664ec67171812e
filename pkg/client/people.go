package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Sessions returns the user's sessions that have not ended, tokens among them.
func (c *Client) Sessions(ctx context.Context) ([]api.Session, error) {
	var out api.SessionList
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/sessions"}, &out)
	return out.Sessions, err
}

// EndSession ends one of the user's sessions, or revokes a token.
func (c *Client) EndSession(ctx context.Context, id string) error {
	path := "/v1/sessions/" + url.PathEscape(id)
	return c.do(ctx, request{method: http.MethodDelete, path: path, gone: api.CodeSessionNotFound}, nil)
}

// EndSessions ends all of the user's sessions, this one among them; tokens go on.
func (c *Client) EndSessions(ctx context.Context) (api.SessionsEnded, error) {
	var out api.SessionsEnded
	err := c.do(ctx, request{method: http.MethodDelete, path: "/v1/sessions"}, &out)
	return out, err
}

// CreateToken makes a session for a program. The token is in this answer. It is not tried again by itself: the second try
// would find the name taken by the first.
func (c *Client) CreateToken(ctx context.Context, org string, in api.CreateTokenRequest) (api.Session, secret.Secret, error) {
	var out api.TokenCreated
	if err := c.do(ctx, request{method: http.MethodPost, path: orgPath(org, "tokens"), body: in}, &out); err != nil {
		return api.Session{}, secret.Secret{}, err
	}
	token, err := c.sessionToken(out.Token)
	return out.Session, token, err
}

// sessionToken takes a session token out of an answer.
func (c *Client) sessionToken(text string) (secret.Secret, error) {
	token, err := secret.Parse(secret.Session, text)
	if err != nil {
		return secret.Secret{}, &Error{
			Origin: c.Origin(), Code: CodeOddAnswer, Message: c.Origin() + " answered with a session token that is none: " + err.Error(),
			Fix: "check that the URL is a Keyfob service's",
		}
	}
	return token, nil
}

// Orgs returns the organisations the user belongs to, by slug.
func (c *Client) Orgs(ctx context.Context) ([]api.Membership, error) {
	var out api.OrgList
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/orgs"}, &out)
	return out.Orgs, err
}

// Members returns the organisation's members, then those who are invited.
func (c *Client) Members(ctx context.Context, org string) ([]api.Member, error) {
	var out api.MemberList
	err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "members")}, &out)
	return out.Members, err
}

// AddMember invites somebody. Asked again it invites again; the earlier invitation ends.
func (c *Client) AddMember(ctx context.Context, org string, in api.AddMemberRequest) (api.MemberInvitation, error) {
	var out api.MemberInvitation
	err := c.do(ctx, request{method: http.MethodPost, path: orgPath(org, "members"), body: in, idempotent: true}, &out)
	return out, err
}

// UpdateMember changes a member's role. They are named by id or e-mail address.
func (c *Client) UpdateMember(ctx context.Context, org, member string, role api.Role) (api.Member, error) {
	var out api.MemberEnvelope
	in := api.UpdateMemberRequest{Role: role}
	err := c.do(ctx, request{method: http.MethodPatch, path: orgPath(org, "members", member), body: in, idempotent: true}, &out)
	return out.Member, err
}

// RemoveMember removes a member, or takes an invitation back.
func (c *Client) RemoveMember(ctx context.Context, org, member string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: orgPath(org, "members", member), gone: api.CodeMemberNotFound}, nil)
}
