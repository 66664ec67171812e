package server

import (
	"net/http"
	"net/url"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func (s *Server) listKeys(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	list, err := listQuery(r)
	if err != nil {
		return err
	}
	page, err := s.Core.Keys(r.Context(), p, r.PathValue("org"), list)
	if err != nil {
		return err
	}
	out := api.KeyList{Keys: []api.Key{}, NextPageToken: page.NextToken}
	for _, k := range page.Keys {
		out.Keys = append(out.Keys, wireKey(k))
	}
	return writeJSON(w, http.StatusOK, out)
}

// keyBody is what may be said of a key when it is made or changed.
type keyBody struct {
	Name      member[string]            `json:"name"`
	Tags      member[map[string]string] `json:"tags"`
	ExpiresAt member[time.Time]         `json:"expires_at"`
	RateLimit member[api.RateLimit]     `json:"rate_limit"`
}

// check refuses the one time, and the one limit, that core would take for "none".
func (b keyBody) check() error {
	if b.ExpiresAt.set && !b.ExpiresAt.null && b.ExpiresAt.value.IsZero() {
		return invalid(`the member "expires_at" lies in the past`)
	}
	if b.RateLimit.set && !b.RateLimit.null && b.RateLimit.value == (api.RateLimit{}) {
		return invalid(`the member "rate_limit" must have requests and per_seconds, or be null`)
	}
	return nil
}

func (s *Server) createKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body keyBody
	if err := decode(r, &body, mediaJSON); err != nil {
		return err
	}
	name, err := body.Name.required("name")
	if err != nil {
		return err
	}
	if _, err := body.Tags.pointer("tags"); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	again, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	org := r.PathValue("org")
	k, secret, replayed, err := s.Core.CreateKey(r.Context(), p, org, core.NewKey{
		Name: name, Tags: body.Tags.value, ExpiresAt: body.ExpiresAt.value, // null and absent: never
		RateLimit: body.RateLimit.value, Idempotency: again,
	})
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	setETag(w, k)
	w.Header().Set("Location", "/v1/orgs/"+url.PathEscape(org)+"/keys/"+k.ID)
	return writeJSON(w, http.StatusCreated, api.KeyWithSecret{Key: wireKey(k), Secret: secret.Reveal()})
}

func (s *Server) getKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	k, err := s.Core.Key(r.Context(), p, r.PathValue("org"), r.PathValue("key"))
	if err != nil {
		return err
	}
	return writeKey(w, k)
}

func (s *Server) updateKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	revision, err := ifMatch(r)
	if err != nil {
		return err
	}
	patch, err := keyPatch(r)
	if err != nil {
		return err
	}
	k, err := s.Core.UpdateKey(r.Context(), p, r.PathValue("org"), r.PathValue("key"), patch, revision)
	if err != nil {
		return err
	}
	return writeKey(w, k)
}

// keyPatch reads a merge patch. Tags are replaced as a whole; a null expiry or rate limit is taken off.
func keyPatch(r *http.Request) (core.KeyPatch, error) {
	var body keyBody
	if err := decode(r, &body, mediaJSON, mediaPatch); err != nil {
		return core.KeyPatch{}, err
	}
	var patch core.KeyPatch
	var err error
	if patch.Name, err = body.Name.pointer("name"); err != nil {
		return core.KeyPatch{}, err
	}
	if patch.Tags, err = body.Tags.pointer("tags"); err != nil {
		return core.KeyPatch{}, err
	}
	if err := body.check(); err != nil {
		return core.KeyPatch{}, err
	}
	if body.ExpiresAt.set {
		patch.ExpiresAt = &body.ExpiresAt.value
	}
	if body.RateLimit.set {
		patch.RateLimit = &body.RateLimit.value
	}
	if patch == (core.KeyPatch{}) {
		return core.KeyPatch{}, invalid("the body changes nothing: give name, tags, expires_at or rate_limit")
	}
	return patch, nil
}

func (s *Server) deleteKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	revision, err := ifMatch(r)
	if err != nil {
		return err
	}
	q, err := query(r)
	if err != nil {
		return err
	}
	acknowledged := q.flag("acknowledge_recent_use")
	if q.err != nil {
		return q.err
	}
	err = s.Core.DeleteKey(r.Context(), p, r.PathValue("org"), r.PathValue("key"), core.DeleteKey{
		IfRevision: revision, AcknowledgeRecentUse: acknowledged,
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) disableKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	return s.setEnabled(w, r, p, false)
}

func (s *Server) enableKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	return s.setEnabled(w, r, p, true)
}

func (s *Server) setEnabled(w http.ResponseWriter, r *http.Request, p core.Principal, enabled bool) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	k, err := s.Core.SetKeyEnabled(r.Context(), p, r.PathValue("org"), r.PathValue("key"), enabled, reason)
	if err != nil {
		return err
	}
	return writeKey(w, k)
}

func (s *Server) revealKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	k, secret, err := s.Core.RevealKey(r.Context(), p, r.PathValue("org"), r.PathValue("key"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.KeyWithSecret{Key: wireKey(k), Secret: secret.Reveal()})
}

func (s *Server) getActiveKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	k, err := s.Core.ActiveKey(r.Context(), p, r.PathValue("org"))
	if err != nil {
		return err
	}
	return writeKey(w, k)
}

func (s *Server) getSelf(w http.ResponseWriter, r *http.Request, c core.Caller) error {
	k, err := s.Core.Self(r.Context(), c)
	if err != nil {
		return err
	}
	out := api.Self{Key: wireKey(k), Org: api.Org(c.Org), MCP: s.MCP}
	for _, v := range out.Key.Secrets {
		if v.Version == c.SecretVersion {
			out.Secret = v
		}
	}
	return writeJSON(w, http.StatusOK, out)
}
