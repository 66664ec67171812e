package server

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// rotationRoutes are the rows of the table for the rotations of a key.
func (s *Server) rotationRoutes(key string) []route {
	rotations := key + "/rotations"
	rotation := rotations + "/{rotation}"
	return []route{
		{"GET", rotations, "listRotations", s.session(s.listRotations)},
		{"POST", rotations, "openRotation", s.session(s.openRotation)},
		{"GET", rotation, "getRotation", s.session(s.getRotation)},
		{"POST", rotation + "/receipts", "deliverRotation", s.session(s.deliverRotation)},
		{"POST", rotation + "/prove", "proveRotation", s.session(s.proveRotation)},
		{"POST", rotation + "/promote", "promoteRotation", s.session(s.promoteRotation)},
		{"POST", rotation + "/retire", "retireRotation", s.session(s.retireRotation)},
		{"POST", rotation + "/cancel", "cancelRotation", s.session(s.cancelRotation)},
	}
}

func (s *Server) listRotations(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	list, err := s.Core.Rotations(r.Context(), p, r.PathValue("org"), r.PathValue("key"))
	if err != nil {
		return err
	}
	out := api.RotationList{Rotations: []api.Rotation{}}
	for _, one := range list {
		out.Rotations = append(out.Rotations, wireRotation(one))
	}
	return writeJSON(w, http.StatusOK, out)
}

func (s *Server) openRotation(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		Sinks     member[[]string] `json:"sinks"`
		Emergency member[bool]     `json:"emergency"`
	}
	if err := decodeSome(r, &body); err != nil {
		return err
	}
	if _, err := body.Sinks.pointer("sinks"); err != nil {
		return err
	}
	if _, err := body.Emergency.pointer("emergency"); err != nil {
		return err
	}
	run, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	org := r.PathValue("org")
	out, err := s.Core.OpenRotation(r.Context(), p, org, r.PathValue("key"), core.NewRotation{
		Sinks: body.Sinks.value, Emergency: body.Emergency.value, Run: run,
	}, Origin(r))
	if err != nil {
		return err
	}
	answer := api.RotationOpened{
		RotationEnvelope: api.RotationEnvelope{Rotation: wireRotation(out.Rotation), Key: wireKey(out.Key)},
	}
	if !out.Secret.IsZero() {
		answer.Secret = out.Secret.Reveal()
	}
	status := http.StatusOK
	if !out.Joined {
		status = http.StatusCreated
		w.Header().Set("Location", "/v1/orgs/"+url.PathEscape(org)+"/keys/"+out.Key.ID+"/rotations/"+out.Rotation.ID)
	}
	return writeJSON(w, status, answer)
}

func (s *Server) getRotation(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	out, key, err := s.Core.Rotation(r.Context(), p, r.PathValue("org"), r.PathValue("key"), r.PathValue("rotation"))
	return writeRotation(w, out, key, err)
}

func (s *Server) deliverRotation(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		Sink    member[string] `json:"sink"`
		Checked member[bool]   `json:"checked"`
	}
	if err := decode(r, &body, mediaJSON); err != nil {
		return err
	}
	sink, err := body.Sink.required("sink")
	if err != nil {
		return err
	}
	checked, err := body.Checked.required("checked")
	if err != nil {
		return err
	}
	out, key, err := s.Core.DeliverRotation(r.Context(), p, r.PathValue("org"), r.PathValue("key"), r.PathValue("rotation"), sink, checked, Origin(r))
	return writeRotation(w, out, key, err)
}

func (s *Server) proveRotation(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	out, key, err := s.Core.ProveRotation(r.Context(), p, r.PathValue("org"), r.PathValue("key"), r.PathValue("rotation"), Origin(r))
	return writeRotation(w, out, key, err)
}

func (s *Server) promoteRotation(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		GraceSeconds member[int64]  `json:"grace_seconds"`
		OnUse        member[string] `json:"on_use"`
		QuietSeconds member[int64]  `json:"quiet_seconds"`
		Activate     member[string] `json:"activate"`
	}
	if err := decodeSome(r, &body); err != nil {
		return err
	}
	grace, err := body.GraceSeconds.pointer("grace_seconds")
	if err != nil {
		return err
	}
	onUse, err := body.OnUse.pointer("on_use")
	if err != nil {
		return err
	}
	in := core.Promotion{Grace: api.RotationGrace}
	if grace != nil {
		if *grace < 0 || *grace > int64(api.RotationGraceMax/time.Second) { // not later: it may not be a Duration
			return invalid(`the member "grace_seconds" must be from 0 to 2592000`)
		}
		in.Grace = time.Duration(*grace) * time.Second
	}
	if onUse != nil {
		if in.OnUse = api.OnUse(*onUse); in.OnUse == "" {
			return invalid(`the member "on_use" must be cut, extend or fail`)
		}
	}
	if err := waits(&in, body.QuietSeconds, body.Activate); err != nil {
		return err
	}
	out, key, err := s.Core.PromoteRotation(r.Context(), p, r.PathValue("org"), r.PathValue("key"), r.PathValue("rotation"), in, Origin(r))
	return writeRotation(w, out, key, err)
}

// waits reads what a promotion waits for.
func waits(in *core.Promotion, quietSeconds member[int64], activate member[string]) error {
	quiet, err := quietSeconds.pointer("quiet_seconds")
	if err != nil {
		return err
	}
	when, err := activate.pointer("activate")
	if err != nil {
		return err
	}
	if quiet != nil {
		if *quiet < 0 || *quiet > int64(api.RotationGraceMax/time.Second) {
			return invalid(`the member "quiet_seconds" must be from 0 to 2592000`)
		}
		in.Quiet = time.Duration(*quiet) * time.Second
	}
	if when != nil {
		if !slices.Contains(api.Activates(), api.Activate(*when)) {
			return invalid(`the member "activate" must be now or first-use`)
		}
		in.OnFirstUse = api.Activate(*when) == api.ActivateFirstUse
	}
	return nil
}

func (s *Server) retireRotation(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	out, key, err := s.Core.RetireRotation(r.Context(), p, r.PathValue("org"), r.PathValue("key"), r.PathValue("rotation"), Origin(r))
	return writeRotation(w, out, key, err)
}

func (s *Server) cancelRotation(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	var body struct {
		AcknowledgeUse member[bool] `json:"acknowledge_use"`
	}
	if err := decodeSome(r, &body); err != nil {
		return err
	}
	if _, err := body.AcknowledgeUse.pointer("acknowledge_use"); err != nil {
		return err
	}
	out, key, err := s.Core.CancelRotation(r.Context(), p, r.PathValue("org"), r.PathValue("key"), r.PathValue("rotation"), body.AcknowledgeUse.value, Origin(r))
	return writeRotation(w, out, key, err)
}

// decodeSome is decode for a body that may be left out.
func decodeSome(r *http.Request, v any) error {
	text, err := io.ReadAll(r.Body)
	if err != nil || len(text) == 0 {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return decode(r, v, mediaJSON)
}

func writeRotation(w http.ResponseWriter, r core.Rotation, k core.Key, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, api.RotationEnvelope{Rotation: wireRotation(r), Key: wireKey(k)})
}

func wireRotation(r core.Rotation) api.Rotation {
	out := api.Rotation{
		ID: r.ID, KeyID: r.KeyID, State: r.State, Emergency: r.Emergency, OldVersion: r.OldVersion, NewVersion: r.NewVersion,
		Sinks: []api.RotationSink{}, OpenedAt: r.OpenedAt.UTC(), OpenedBy: api.Actor(r.OpenedBy), UpdatedAt: r.UpdatedAt.UTC(),
		ExpiresAt: wireTime(r.ExpiresAt), PromotedAt: wireTime(r.PromotedAt), RetireAt: wireTime(r.RetireAt), EndedAt: wireTime(r.EndedAt),
		QuietSeconds: int64(r.Quiet / time.Second), ArmedAt: wireTime(r.ArmedAt),
	}
	if r.OnUse != "" {
		out.OnUse = &r.OnUse
	}
	for _, sink := range r.Sinks {
		out.Sinks = append(out.Sinks, api.RotationSink{Name: sink.Name, DeliveredAt: wireTime(sink.DeliveredAt), Checked: sink.Checked})
	}
	return out
}
