package server

import (
	"net/http"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func (s *Server) getSession(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	memberships, err := s.Core.Memberships(r.Context(), p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.SessionInfo{
		Session: wireSession(p.Session),
		User:    api.User(p.User),
		Orgs:    wireMemberships(memberships),
	})
}

func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	if err := s.Core.EndSession(r.Context(), p); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listSessions(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	sessions, err := s.Core.Sessions(r.Context(), p)
	if err != nil {
		return err
	}
	out := api.SessionList{Sessions: []api.Session{}}
	for _, session := range sessions {
		out.Sessions = append(out.Sessions, wireSession(session))
	}
	return writeJSON(w, http.StatusOK, out)
}

func (s *Server) endSessions(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	ended, tokens, err := s.Core.EndSessions(r.Context(), p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.SessionsEnded{Ended: ended, Tokens: tokens})
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	if err := s.Core.EndSessionByID(r.Context(), p, r.PathValue("session")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) createToken(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		Name        member[string]           `json:"name"`
		Permissions member[[]api.Permission] `json:"permissions"`
		ExpiresAt   member[time.Time]        `json:"expires_at"`
	}
	if err := decode(r, &body, mediaJSON); err != nil {
		return err
	}
	var in core.NewToken
	var err error
	if in.Name, err = body.Name.required("name"); err != nil {
		return err
	}
	if in.Permissions, err = body.Permissions.required("permissions"); err != nil {
		return err
	}
	if in.ExpiresAt, err = body.ExpiresAt.required("expires_at"); err != nil {
		return err
	}
	made, err := s.Core.CreateToken(r.Context(), p, r.PathValue("org"), in)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, api.TokenCreated{Session: wireSession(made.Session), Token: made.Token.Reveal()})
}

func (s *Server) listOrgs(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	memberships, err := s.Core.Memberships(r.Context(), p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.OrgList{Orgs: wireMemberships(memberships)})
}

// getMCP names the hosted MCP server. It is the same for every org, but only its members are told so.
func (s *Server) getMCP(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	memberships, err := s.Core.Memberships(r.Context(), p)
	if err != nil {
		return err
	}
	ref := r.PathValue("org")
	for _, m := range memberships {
		if m.Slug == ref || m.ID == ref {
			return writeJSON(w, http.StatusOK, api.MCPInfo{MCP: s.MCP})
		}
	}
	return &core.Error{Code: api.CodeOrgNotFound, Detail: "you belong to no organisation of this name or id"}
}
