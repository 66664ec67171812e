package client

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// TestRotationSteps holds each step's request, and that it is made again after a 503.
func TestRotationSteps(t *testing.T) {
	t.Parallel()
	minted := secret.New(secret.Key)
	var got []string
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		line := r.Method + " " + r.URL.Path + " " + r.Header.Get("Idempotency-Key") + " " + string(body)
		if !seen[line] {
			seen[line] = true
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got = append(got, line)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"rotation": api.Rotation{ID: "rot_1"}, "key": api.Key{ID: "key_1"}, "secret": minted.Reveal(), "rotations": []api.Rotation{{ID: "rot_1"}},
		})
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	out, s, err := c.OpenRotation(ctx, "acme", "ci", "run 7", api.OpenRotationRequest{Sinks: []string{"a"}})
	if err != nil || s.Reveal() != minted.Reveal() || out.Rotation.ID != "rot_1" || out.Key.ID != "key_1" {
		t.Errorf("opened %+v, %v", out, err)
	}
	for _, step := range []func() (api.RotationEnvelope, error){
		func() (api.RotationEnvelope, error) { return c.DeliverRotation(ctx, "acme", "ci", "rot_1", "a", true) },
		func() (api.RotationEnvelope, error) { return c.ProveRotation(ctx, "acme", "ci", "rot_1") },
		func() (api.RotationEnvelope, error) {
			return c.PromoteRotation(ctx, "acme", "ci", "rot_1", api.PromoteRequest{GraceSeconds: new(int64(3600)), OnUse: api.OnUseFail})
		},
		func() (api.RotationEnvelope, error) {
			return c.PromoteRotation(ctx, "acme", "ci", "rot_1", api.PromoteRequest{GraceSeconds: new(int64(0)), QuietSeconds: 60, Activate: api.ActivateFirstUse})
		},
		func() (api.RotationEnvelope, error) { return c.RetireRotation(ctx, "acme", "ci", "rot_1") },
		func() (api.RotationEnvelope, error) { return c.CancelRotation(ctx, "acme", "ci", "rot_1", true) },
	} {
		if out, err := step(); err != nil || out.Rotation.ID != "rot_1" {
			t.Errorf("%+v, %v", out, err)
		}
	}
	list, err := c.Rotations(ctx, "acme", "ci")
	if err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	const path = "/v1/orgs/acme/keys/ci/rotations"
	want := []string{
		"POST " + path + ` "run 7" {"sinks":["a"]}`,
		"POST " + path + `/rot_1/receipts  {"sink":"a","checked":true}`,
		"POST " + path + "/rot_1/prove  ",
		"POST " + path + `/rot_1/promote  {"grace_seconds":3600,"on_use":"fail"}`,
		"POST " + path + `/rot_1/promote  {"grace_seconds":0,"quiet_seconds":60,"activate":"first-use"}`,
		"POST " + path + "/rot_1/retire  ",
		"POST " + path + `/rot_1/cancel  {"acknowledge_use":true}`,
		"GET " + path + "  ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// TestRotationWithoutASecret: a finished rotation has none, and what is none is refused.
func TestRotationWithoutASecret(t *testing.T) {
	t.Parallel()
	answer := `{"rotation":{"id":"rot_1"},"key":{"id":"key_1"}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	out, s, err := c.OpenRotation(t.Context(), "acme", "ci", "", api.OpenRotationRequest{})
	if err != nil || !s.IsZero() || out.Rotation.ID != "rot_1" {
		t.Errorf("%+v, %v", out, err)
	}
	answer = `{"rotation":{"id":"rot_1"},"key":{"id":"key_1"},"secret":"kf_x"}`
	if _, _, err = c.OpenRotation(t.Context(), "acme", "ci", "", api.OpenRotationRequest{}); err == nil {
		t.Error("a secret that is none is taken")
	}
}
