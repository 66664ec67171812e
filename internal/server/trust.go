package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// trustRoutes are the rows of the table for trust rules and the exchange of jobs' tokens.
func (s *Server) trustRoutes() []route {
	const rules = "/v1/orgs/{org}/trust-rules"
	return []route{
		{"POST", "/v1/token", "exchangeToken", s.oauth(s.exchangeToken)},
		{"GET", rules, "listTrustRules", s.session(s.listTrustRules)},
		{"POST", rules, "createTrustRule", s.session(s.createTrustRule)},
		{"DELETE", rules + "/{rule}", "deleteTrustRule", s.session(s.deleteTrustRule)},
	}
}

// exchangeToken gives a session for a job's token (RFC 8693 §2).
func (s *Server) exchangeToken(w http.ResponseWriter, r *http.Request, f *form) error {
	grant, kind := f.required("grant_type", paramMax), f.text("subject_token_type", paramMax)
	if f.err == nil && grant != api.ExchangeGrantType {
		return &oauthError{api.OAuthUnsupported, "grant_type must be " + api.ExchangeGrantType}
	}
	in := core.Exchange{
		Token: f.required("subject_token", maxBody), Audience: f.text("audience", paramMax), Org: f.text("org", paramMax), Ours: s.audience(),
	}
	if kind != api.TokenTypeID && kind != api.TokenTypeJWT {
		f.refuse("subject_token_type", "must be "+api.TokenTypeID+" or "+api.TokenTypeJWT)
	}
	if wanted := f.text("requested_token_type", paramMax); wanted != "" && wanted != api.TokenTypeAccess {
		f.refuse("requested_token_type", "must be "+api.TokenTypeAccess)
	}
	if f.text("actor_token", maxBody) != "" {
		f.refuse("actor_token", "is not taken")
	}
	if f.err != nil {
		return f.err
	}
	if ip := ClientAddress(r); ip.IsValid() {
		in.Address = ip.String()
	}
	out, err := s.Core.ExchangeToken(r.Context(), in)
	if errors.Is(err, core.ErrTokenRefused) {
		return &oauthError{api.OAuthInvalidGrant, "the token was not accepted; why is in the events of the organisation"}
	}
	if err != nil {
		return err
	}
	scope := make([]string, len(out.Session.Permissions))
	for i, p := range out.Session.Permissions {
		scope[i] = string(p)
	}
	w.Header().Set("Pragma", "no-cache") // RFC 6749 §5.1
	return writeJSON(w, http.StatusOK, api.ExchangedToken{
		AccessToken: out.Token.Reveal(), IssuedTokenType: api.TokenTypeAccess, TokenType: "Bearer",
		ExpiresIn: int64(core.JobLimit / time.Second), Scope: strings.Join(scope, " "),
	})
}

// audience is the only one that a job's token may have: of two services that one platform signs for, each takes its own alone,
// also when one was made of a copy of the other's data.
func (s *Server) audience() string { return strings.TrimSuffix(s.PublicURL.String(), "/") }

func (s *Server) listTrustRules(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	rules, err := s.Core.TrustRules(r.Context(), p, r.PathValue("org"))
	if err != nil {
		return err
	}
	out := api.TrustRuleList{Rules: []api.TrustRule{}}
	for _, rule := range rules {
		out.Rules = append(out.Rules, s.wireTrustRule(rule))
	}
	return writeJSON(w, http.StatusOK, out)
}

func (s *Server) createTrustRule(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		Name        member[string]            `json:"name"`
		Provider    member[api.TrustProvider] `json:"provider"`
		Issuer      member[string]            `json:"issuer"`
		Conditions  member[map[string]string] `json:"conditions"`
		Permissions member[[]api.Permission]  `json:"permissions"`
		Keys        member[[]string]          `json:"keys"`
	}
	if err := decode(r, &body, mediaJSON); err != nil {
		return err
	}
	var in core.NewTrustRule
	_, err1 := body.Name.pointer("name")
	_, err2 := body.Issuer.pointer("issuer")
	in.Name, in.Issuer = body.Name.value, body.Issuer.value
	var err error
	if in.Provider, err = body.Provider.required("provider"); err != nil {
		return err
	}
	if in.Conditions, err = body.Conditions.required("conditions"); err != nil {
		return err
	}
	if in.Permissions, err = body.Permissions.required("permissions"); err != nil {
		return err
	}
	if in.KeyNames, err = body.Keys.required("keys"); err != nil {
		return err
	}
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	rule, err := s.Core.CreateTrustRule(r.Context(), p, r.PathValue("org"), in)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, api.TrustRuleEnvelope{Rule: s.wireTrustRule(rule)})
}

func (s *Server) deleteTrustRule(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	if err := s.Core.DeleteTrustRule(r.Context(), p, r.PathValue("org"), r.PathValue("rule")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) wireTrustRule(r core.TrustRule) api.TrustRule {
	return api.TrustRule{
		ID: r.ID, Name: r.Name, Provider: r.Provider, Issuer: r.Issuer, Audience: s.audience(), Conditions: r.Conditions, Pins: r.Pins,
		Permissions: r.Permissions, Keys: r.KeyNames, CreatedAt: r.CreatedAt.UTC(), CreatedBy: api.Actor(r.CreatedBy),
		LastUsedAt: wireTime(r.LastUsedAt),
	}
}
