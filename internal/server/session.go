package server

import (
	"net/http"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func (s *Server) getSession(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	memberships, err := s.Core.Memberships(r.Context(), p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.SessionInfo{
		Session: api.Session{
			ID: p.Session.ID, Hint: p.Session.Hint, CreatedAt: p.Session.CreatedAt.UTC(),
			LastUsedAt: wireTime(p.Session.LastUsedAt), ExpiresAt: p.Session.ExpiresAt.UTC(),
		},
		User: api.User(p.User),
		Orgs: wireMemberships(memberships),
	})
}

func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	if err := s.Core.EndSession(r.Context(), p); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
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
