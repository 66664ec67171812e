package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that left needs no answer
	return nil
}

// writeKey answers with one key and its ETag.
func writeKey(w http.ResponseWriter, k core.Key) error {
	setETag(w, k)
	return writeJSON(w, http.StatusOK, api.KeyEnvelope{Key: wireKey(k)})
}

func setETag(w http.ResponseWriter, k core.Key) {
	w.Header().Set("ETag", `"`+strconv.FormatInt(k.Revision, 10)+`"`)
}

func wireKey(k core.Key) api.Key {
	out := api.Key{
		ID: k.ID, Name: k.Name, Hint: k.Hint(), Status: k.Status,
		CreatedAt: k.CreatedAt.UTC(), CreatedBy: api.Actor(k.CreatedBy), UpdatedAt: k.UpdatedAt.UTC(),
		ExpiresAt: wireTime(k.ExpiresAt), LastUsedAt: wireTime(k.LastUsedAt),
		Tags: k.Tags, Recoverable: k.Recoverable, Secrets: []api.SecretInfo{},
	}
	if k.RateLimit != (api.RateLimit{}) {
		out.RateLimit = &k.RateLimit
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	for _, v := range k.Secrets {
		out.Secrets = append(out.Secrets, wireSecret(v))
	}
	return out
}

func wireSecret(v core.SecretVersion) api.SecretInfo {
	return api.SecretInfo{
		Version: v.Version, Hint: v.Hint, State: v.State, CreatedAt: v.CreatedAt.UTC(),
		ExpiresAt: wireTime(v.ExpiresAt), LastUsedAt: wireTime(v.LastUsedAt),
	}
}

// wireTime makes the zero time null.
func wireTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func wireMemberships(ms []core.Membership) []api.Membership {
	out := []api.Membership{}
	for _, m := range ms {
		out = append(out, api.Membership{Org: api.Org(m.Org), Role: m.Role})
	}
	return out
}

func wireSession(s core.Session) api.Session {
	out := api.Session{
		ID: s.ID, Kind: s.Kind, Name: s.Name, Host: s.Host, Hint: s.Hint, CreatedAt: s.CreatedAt.UTC(),
		LastUsedAt: wireTime(s.LastUsedAt), ExpiresAt: s.ExpiresAt.UTC(),
	}
	if s.Kind == api.SessionToken || s.Kind == api.SessionJob {
		out.Org, out.Permissions, out.Keys = &s.Org.Slug, s.Permissions, s.KeyNames
	}
	return out
}

func wireMember(m core.Member) api.Member {
	return api.Member{
		ID: m.ID, Name: m.Name, Email: m.Email, Role: m.Role, Status: m.Status,
		CreatedAt: m.CreatedAt.UTC(), ExpiresAt: wireTime(m.ExpiresAt),
	}
}
