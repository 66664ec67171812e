package server

import (
	"net/http"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func (s *Server) getKeyUsage(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	use, err := s.Core.KeyUsage(r.Context(), p, r.PathValue("org"), r.PathValue("key"))
	if err != nil {
		return err
	}
	out := api.Usage{
		LastUsedAt: wireTime(use.LastUsedAt), Calls1h: use.Calls1h, Calls24h: use.Calls24h,
		Callers: []api.UsageCaller{}, Hours: []api.UsageHour{},
	}
	for _, c := range use.Callers {
		out.Callers = append(out.Callers, api.UsageCaller{Address: c.AddressPrefix, Agent: c.Agent, LastUsedAt: c.LastUsedAt.UTC()})
	}
	for _, h := range use.Hours {
		out.Hours = append(out.Hours, api.UsageHour{Start: h.Start.UTC(), Calls: h.Calls})
	}
	return writeJSON(w, http.StatusOK, api.UsageEnvelope{Usage: out})
}

// lookupKey takes the secret in the body: a URL ends up in logs and histories.
func (s *Server) lookupKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	presented, err := presentedSecret(r)
	if err != nil {
		return err
	}
	k, v, err := s.Core.Lookup(r.Context(), p, r.PathValue("org"), presented)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.Lookup{Key: wireKey(k), Secret: wireSecret(v)})
}

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	list, err := eventQuery(r)
	if err != nil {
		return err
	}
	page, err := s.Core.Events(r.Context(), p, r.PathValue("org"), list)
	if err != nil {
		return err
	}
	out := api.EventList{Events: []api.Event{}, NextPageToken: page.NextToken}
	for _, e := range page.Events {
		out.Events = append(out.Events, wireEvent(e))
	}
	return writeJSON(w, http.StatusOK, out)
}

func wireEvent(e core.Event) api.Event {
	out := api.Event{ID: e.ID, At: e.At.UTC(), Type: e.Type, Actor: api.Actor(e.Actor), Data: e.Data}
	if out.Data == nil {
		out.Data = map[string]string{}
	}
	if e.KeyID != "" {
		out.KeyID = &e.KeyID
	}
	return out
}

// presentedSecret is the member of a body that has nothing else.
func presentedSecret(r *http.Request) (string, error) {
	var body struct {
		Secret member[string] `json:"secret"`
	}
	if err := decode(r, &body, mediaJSON); err != nil {
		return "", err
	}
	return body.Secret.required("secret")
}
