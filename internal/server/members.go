package server

import (
	"net/http"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func (s *Server) listMembers(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	members, err := s.Core.Members(r.Context(), p, r.PathValue("org"))
	if err != nil {
		return err
	}
	out := api.MemberList{Members: []api.Member{}}
	for _, m := range members {
		out.Members = append(out.Members, wireMember(m))
	}
	return writeJSON(w, http.StatusOK, out)
}

func (s *Server) addMember(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		Email member[string]   `json:"email"`
		Role  member[api.Role] `json:"role"`
	}
	if err := decode(r, &body, mediaJSON); err != nil {
		return err
	}
	email, err := body.Email.required("email")
	if err != nil {
		return err
	}
	role, err := body.Role.required("role")
	if err != nil {
		return err
	}
	invited, setUp, err := s.Core.AddMember(r.Context(), p, r.PathValue("org"), email, role)
	if err != nil {
		return err
	}
	out := api.MemberInvitation{Member: wireMember(invited)}
	if setUp != "" {
		out.SetupURL = s.PublicURL.JoinPath("setup", setUp).String()
	}
	return writeJSON(w, http.StatusCreated, out)
}

func (s *Server) updateMember(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		Role member[api.Role] `json:"role"`
	}
	if err := decode(r, &body, mediaJSON); err != nil {
		return err
	}
	role, err := body.Role.required("role")
	if err != nil {
		return err
	}
	m, err := s.Core.SetMemberRole(r.Context(), p, r.PathValue("org"), r.PathValue("member"), role)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.MemberEnvelope{Member: wireMember(m)})
}

func (s *Server) removeMember(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	if err := s.Core.RemoveMember(r.Context(), p, r.PathValue("org"), r.PathValue("member")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
