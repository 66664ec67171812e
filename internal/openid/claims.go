package openid

import (
	"context"
	"crypto/subtle"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/keyfob/keyfob/internal/core"
)

const (
	// leeway is how far the provider's clock may be from ours.
	leeway = 30 * time.Second
	// maxSubject is by OpenID Connect Core 1.0 §2.
	maxSubject = 255
)

// algorithms are those that an ID token may be signed with. With HS256 the client secret signs, and none proves nothing.
func algorithms() []string { return []string{oidc.RS256, oidc.ES256} }

// claims is what is used of an ID token (OpenID Connect Core 1.0 §2, §5.1). Members that have several types on the wire, or
// that a sign-in can do without, are any.
type claims struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      any      `json:"aud"` // a string, or strings
	Party         *string  `json:"azp"`
	Expires       *float64 `json:"exp"` // seconds since 1970, as the next two
	Issued        *float64 `json:"iat"`
	NotBefore     *float64 `json:"nbf"`
	Nonce         string   `json:"nonce"`
	Email         any      `json:"email"`
	EmailVerified any      `json:"email_verified"`
	Name          any      `json:"name"`
}

// idToken verifies the ID token that came with the answer of the token endpoint.
func (p *Provider) idToken(ctx context.Context, up *upstream, token *oauth2.Token, nonce string) (*claims, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, p.refused(nil, "there is no ID token in it")
	}
	if strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "{ \t\r\n") { // the library takes JWS in JSON as well
		return nil, p.refused(nil, "its ID token is no signed JWT")
	}
	keys := &keyWatch{KeySet: up.keys}
	// Only the signature is the library's business here: it takes an audience among others, five minutes of leeway for nbf,
	// and member names in any case.
	verified, err := oidc.NewVerifier(up.Issuer, keys, &oidc.Config{
		SupportedSigningAlgs: algorithms(), SkipClientIDCheck: true, SkipExpiryCheck: true, SkipIssuerCheck: true,
	}).Verify(ctx, raw)
	switch {
	case keys.err != nil:
		return nil, p.badSignature(keys.err)
	case err != nil && !keys.asked:
		return nil, p.refused(nil, "its ID token is no JWT signed with %s", strings.Join(algorithms(), " or "))
	case err != nil:
		return nil, p.refused(nil, "its ID token does not have the right form")
	}
	var payload stdjson.RawMessage
	got := &claims{}
	if err := errors.Join(verified.Claims(&payload), json.Unmarshal(payload, got)); err != nil {
		return nil, p.refused(nil, "its ID token does not have the right form")
	}
	if err := got.check(up.Issuer, p.cfg.ClientID, nonce, p.cfg.Now()); err != nil {
		return nil, p.refused(err, "its ID token is not for this sign-in")
	}
	return got, nil
}

// keyWatch remembers how the verification of one signature went, which the library's own error only says in words.
type keyWatch struct {
	oidc.KeySet

	asked bool
	err   error
}

// VerifySignature implements oidc.KeySet.
func (k *keyWatch) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	k.asked, k.err = true, err
	return payload, err
}

// badSignature tells keys that could not be read from a token that none of them signed.
func (p *Provider) badSignature(err error) error {
	if cause := reason(err); !errors.Is(cause, errUnknown) {
		return p.unavailable(cause, "its keys can't be read")
	}
	if _, fetch, found := strings.Cut(err.Error(), "fetching keys "); found { // the library has no type for a bad answer
		return p.unavailable(errors.New(shown(fetch)), "its keys can't be read")
	}
	return p.refused(nil, "none of its keys signed the ID token")
}

// check compares the claims with this sign-in (OpenID Connect Core 1.0 §3.1.3.7). The audience must be this client alone: a
// token that was made for others as well is one that others hold.
func (c *claims) check(issuer, clientID, nonce string, now time.Time) error {
	switch {
	case c.Issuer != issuer:
		return errors.New("iss is " + shown(c.Issuer))
	case !c.isFor(clientID):
		return fmt.Errorf("aud is not %s alone", shown(clientID))
	case c.Party != nil && *c.Party != clientID:
		return errors.New("azp is " + shown(*c.Party))
	case subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1:
		return errors.New("nonce is missing or another sign-in's")
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return fmt.Errorf("sub is not of 1 to %d bytes", maxSubject)
	}
	expires, ok := moment(c.Expires)
	if !ok || !now.Before(expires.Add(leeway)) {
		return errors.New("exp is missing or past")
	}
	if issued, ok := moment(c.Issued); !ok || issued.After(now.Add(leeway)) {
		return errors.New("iat is missing or in the future")
	}
	if c.NotBefore == nil {
		return nil
	}
	if from, ok := moment(c.NotBefore); !ok || from.After(now.Add(leeway)) {
		return errors.New("nbf is in the future")
	}
	return nil
}

// isFor says that the audience is this client and nobody else.
func (c *claims) isFor(clientID string) bool {
	if all, ok := c.Audience.([]any); ok && len(all) == 1 {
		return all[0] == clientID
	}
	return c.Audience == clientID
}

// moment is a NumericDate (RFC 7519 §2) between 1970 and the year 9999.
func moment(seconds *float64) (time.Time, bool) {
	const last = 253_402_300_799
	if seconds == nil || *seconds < 0 || *seconds > last {
		return time.Time{}, false
	}
	whole, part := math.Modf(*seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true
}

// addUserInfo adds what the provider keeps out of the ID token: with the code flow, the email claims may be at the UserInfo
// endpoint only (OpenID Connect Core 1.0 §5.4). It must speak of the same subject (§5.3.2).
func (p *Provider) addUserInfo(ctx context.Context, up *upstream, token *oauth2.Token, into *claims) error {
	var info claims
	if err := p.get(ctx, up.UserInfoURL, token.AccessToken, &info); err != nil {
		return p.unavailable(err, "its userinfo endpoint can't be read")
	}
	if info.Subject != into.Subject {
		return p.refused(nil, "its userinfo endpoint speaks of somebody else")
	}
	into.Email, into.EmailVerified = info.Email, info.EmailVerified
	if into.Name == nil {
		into.Name = info.Name
	}
	return nil
}

// identity is who the checked claims are of. An address counts as verified only if the provider says true: "true" is a
// string that some provider let its user type (CVE-2026-55076).
func (c *claims) identity() core.Identity {
	id := core.Identity{Issuer: c.Issuer, Subject: c.Subject}
	id.Email, _ = c.Email.(string)
	verified, _ := c.EmailVerified.(bool)
	id.EmailVerified = verified && id.Email != ""
	id.Name, _ = c.Name.(string)
	return id
}
