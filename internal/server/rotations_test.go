package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/pkg/api"
)

const rotationsPath = keysPath + "/k/rotations"

// turn is a rotation of the key "k".
type turn struct {
	*harness
	path     string
	old, new string
}

func (h *harness) turn(body string) turn {
	h.t.Helper()
	_, old := h.newKey(h.acme, "k")
	a := h.as(h.acme, "POST", rotationsPath, body).want(http.StatusCreated)
	return turn{h, a.header.Get("Location"), old, decodeAs[api.RotationOpened](a).Secret}
}

// step takes a step that must lead to the state.
func (r turn) step(step, body string, want api.RotationState) api.RotationEnvelope {
	r.t.Helper()
	out := decodeAs[api.RotationEnvelope](r.as(r.acme, "POST", r.path+"/"+step, body).want(http.StatusOK))
	if out.Rotation.State != want {
		r.t.Fatalf("%s leads to %s, want %s", step, out.Rotation.State, want)
	}
	return out
}

func (r turn) refused(step, body string, code api.Code, detail string) {
	r.t.Helper()
	if p := r.as(r.acme, "POST", r.path+"/"+step, body).problem(code); !strings.Contains(p.Detail, detail) {
		r.t.Errorf("%s %s: %s", step, body, p.Detail)
	}
}

func (h *harness) self(secret string) answer {
	h.t.Helper()
	return h.call("GET", "/v1/self", "", "X-API-Key", secret)
}

// rotationFor opens a rotation of a key and brings it to where the operation can be asked for.
func (h *harness) rotationFor(operation, key string) string {
	h.t.Helper()
	a := h.as(h.acme, "POST", keysPath+"/"+key+"/rotations", "").want(http.StatusCreated)
	made := decodeAs[api.RotationOpened](a)
	r := turn{h, a.header.Get("Location"), "", made.Secret}
	switch operation {
	case "retireRotation":
		defer r.step("promote", "", api.RotationPromoted)
		fallthrough
	case "promoteRotation":
		defer r.step("prove", "", api.RotationProven)
		fallthrough
	case "proveRotation":
		h.self(made.Secret).want(http.StatusOK)
	}
	return made.Rotation.ID
}

func TestRotation(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.turn(`{"sinks":["dotenv:.env#KEY"]}`)
	again := h.as(h.acme, "POST", rotationsPath, `{"sinks":["dotenv:.env#KEY"]}`).want(http.StatusOK)
	joined := decodeAs[api.RotationOpened](again)
	if joined.Secret != r.new || again.header.Get("Location") != "" || !strings.HasSuffix(r.path, "/"+joined.Rotation.ID) {
		t.Errorf("joined %s, opened %s", again.body, r.path)
	}
	want := api.Rotation{
		ID: joined.Rotation.ID, KeyID: joined.Key.ID, State: api.RotationMinted, OldVersion: 1, NewVersion: 2,
		Sinks: []api.RotationSink{{Name: "dotenv:.env#KEY"}}, OpenedAt: joined.Rotation.OpenedAt,
		OpenedBy:  api.Actor{Type: api.ActorUser, ID: h.acme.user.ID, Name: "acme owner"},
		UpdatedAt: joined.Rotation.UpdatedAt, ExpiresAt: joined.Rotation.ExpiresAt,
	}
	if diff := cmp.Diff(want, joined.Rotation); diff != "" {
		t.Error(diff)
	}
	r.refused("prove", "", api.CodeRotationState, "has no receipt")
	r.refused("promote", "", api.CodeRotationState, "nobody has proven")
	r.refused("retire", "", api.CodeRotationState, "the one in use")
	r.step("receipts", `{"sink":"dotenv:.env#KEY","checked":true}`, api.RotationDelivered)
	r.refused("cancel", "", api.CodeRotationUsed, "dotenv")
	h.self(r.new).want(http.StatusOK)
	r.step("prove", "", api.RotationProven)
	out := r.step("promote", `{"grace_seconds":3600,"on_use":"cut"}`, api.RotationPromoted)
	if s := out.Key.Secrets; len(s) != 2 || s[0].State != api.SecretRetiring || s[1].State != api.SecretCurrent || !s[0].ExpiresAt.Equal(*out.Rotation.RetireAt) {
		t.Errorf("secrets %+v", s)
	}
	r.refused("cancel", `{"acknowledge_use":true}`, api.CodeRotationState, "is promoted")
	h.self(r.old).want(http.StatusOK)
	h.self(r.new).want(http.StatusOK)
	h.clock.add(time.Hour)
	if p := h.self(r.old).problem(api.CodeKeyExpired); p.Fix != "use the key's current secret" {
		t.Errorf("fix %q", p.Fix)
	}
	r.step("retire", "", api.RotationRetired)
	h.self(r.old).problem(api.CodeKeyExpired)
	lookup := decodeAs[api.Lookup](h.as(h.acme, "POST", keysPath+"/lookup", `{"secret":`+quote(r.old)+`}`).want(http.StatusOK))
	if lookup.Secret.State != api.SecretRetired || lookup.Key.Name != "k" || len(lookup.Key.Secrets) != 1 {
		t.Errorf("lookup %+v", lookup)
	}
	list := decodeAs[api.RotationList](h.as(h.acme, "GET", rotationsPath, "").want(http.StatusOK))
	one := decodeAs[api.RotationEnvelope](h.as(h.acme, "GET", r.path, "").want(http.StatusOK))
	if len(list.Rotations) != 1 || !cmp.Equal(list.Rotations[0], one.Rotation) || one.Rotation.State != api.RotationRetired {
		t.Errorf("list %+v, one %+v", list, one)
	}
	for _, secret := range []string{r.old[4:], r.new[4:]} {
		if strings.Contains(h.log.String(), secret) {
			t.Error("the log holds a secret")
		}
	}
}

func TestRotationOfARunIsAnsweredAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	open := func(run string, status int) api.RotationOpened {
		return decodeAs[api.RotationOpened](h.as(h.acme, "POST", rotationsPath, "", "Idempotency-Key", run).want(status))
	}
	first := open(`"run 7"`, http.StatusCreated)
	h.self(first.Secret).want(http.StatusOK)
	path := rotationsPath + "/" + first.Rotation.ID
	h.as(h.acme, "POST", path+"/prove", "").want(http.StatusOK)
	h.as(h.acme, "POST", path+"/promote", "").want(http.StatusOK)
	again := h.as(h.acme, "POST", rotationsPath, "", "Idempotency-Key", "run 7").want(http.StatusOK)
	if strings.Contains(string(again.body), `"secret":`) || decodeAs[api.RotationOpened](again).Rotation.ID != first.Rotation.ID {
		t.Errorf("a finished run: %s", again.body)
	}
	if open("run 8", http.StatusCreated).Rotation.ID == first.Rotation.ID {
		t.Error("another run got the same rotation")
	}
	h.as(h.acme, "POST", rotationsPath, "", "Idempotency-Key", "").problem(api.CodeInvalidRequest)
	other := h.join(h.acme, "bo@example.com", api.RoleAdmin)
	if p := h.as(other, "POST", rotationsPath, "").problem(api.CodeRotationOpen); !strings.Contains(p.Detail, "acme owner") || p.Fix == "" {
		t.Errorf("somebody else's: %+v", p)
	}
}

func TestEmergencyRotation(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.turn(`{"emergency":true}`)
	h.self(r.old).problem(api.CodeKeyExpired)
	r.refused("cancel", `{"acknowledge_use":true}`, api.CodeRotationState, "nothing to go back to")
	h.self(r.new).want(http.StatusOK)
	r.step("prove", "", api.RotationProven)
	r.step("promote", "", api.RotationRetired)
	h.as(h.acme, "POST", keysPath+"/k/disable", "").want(http.StatusOK)
	h.as(h.acme, "POST", rotationsPath, "").problem(api.CodeKeyNotEnabled)
}

func TestRotationWaits(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.turn("")
	h.self(r.new).want(http.StatusOK)
	r.step("prove", "", api.RotationProven)
	h.clock.add(time.Second)
	r.step("promote", `{"grace_seconds":3600,"quiet_seconds":60,"activate":"first-use"}`, api.RotationProven)
	one := func() api.Rotation {
		return decodeAs[api.RotationEnvelope](h.as(h.acme, "GET", r.path, "").want(http.StatusOK)).Rotation
	}
	if got := one(); got.ArmedAt == nil || got.PromotedAt != nil || got.QuietSeconds != 60 {
		t.Errorf("armed: %+v", got)
	}
	h.clock.add(time.Second)
	h.self(r.new).want(http.StatusOK)
	if got := one(); got.State != api.RotationPromoted || got.QuietSeconds != 60 {
		t.Errorf("used: %+v", got)
	}
	h.clock.add(time.Minute)
	if got := one(); got.State != api.RotationRetired {
		t.Errorf("quiet: %+v", got)
	}
	h.self(r.old).problem(api.CodeKeyExpired)
}

func TestRotationIsTakenBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.turn("")
	h.self(r.new).want(http.StatusOK)
	r.refused("cancel", `{"acknowledge_use":false}`, api.CodeRotationUsed, "last used")
	r.step("cancel", `{"acknowledge_use":true}`, api.RotationCancelled)
	h.self(r.new).problem(api.CodeKeyExpired)
	h.self(r.old).want(http.StatusOK)
	for _, step := range []string{"prove", "promote", "retire"} {
		r.refused(step, "", api.CodeRotationState, "is cancelled")
	}
	r.refused("receipts", `{"sink":"a","checked":false}`, api.CodeRotationState, "is cancelled")
}

func TestBadRotationRequests(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.turn("")
	id := r.path[strings.LastIndex(r.path, "/")+1:]
	for _, tt := range []struct{ path, body, detail string }{
		{"", `{"sinks":null}`, `"sinks" can't be null`},
		{"", `{"sinks":"a"}`, `"sinks" must be an array of strings`},
		{"", `{"sinks":[""]}`, "sink is empty"},
		{"", `{"sinks":["` + r.old + `"]}`, "holds a secret"},
		{"", `{"emergency":"yes"}`, `"emergency" must be true or false`},
		{"", `{"Sinks":[]}`, `unknown member "Sinks"`},
		{"", `[]`, "must be a JSON object"},
		{"/" + id + "/receipts", ``, "empty"},
		{"/" + id + "/receipts", `{"sink":"a"}`, `"checked" is missing`},
		{"/" + id + "/receipts", `{"checked":true}`, `"sink" is missing`},
		{"/" + id + "/receipts", `{"sink":"a\u001b[2J","checked":true}`, "U+001B"},
		{"/" + id + "/promote", `{"grace_seconds":-1}`, "grace_seconds"},
		{"/" + id + "/promote", `{"grace_seconds":2592001}`, "grace_seconds"},
		{"/" + id + "/promote", `{"grace_seconds":1e300}`, "grace_seconds"},
		{"/" + id + "/promote", `{"grace_seconds":1.5}`, "grace_seconds"},
		{"/" + id + "/promote", `{"grace_seconds":null}`, "grace_seconds"},
		{"/" + id + "/promote", `{"on_use":"keep"}`, "cut, extend or fail"},
		{"/" + id + "/promote", `{"on_use":""}`, "cut, extend or fail"},
		{"/" + id + "/promote", `{"quiet_seconds":-1}`, "quiet_seconds"},
		{"/" + id + "/promote", `{"quiet_seconds":1e300}`, "quiet_seconds"},
		{"/" + id + "/promote", `{"quiet_seconds":null}`, "quiet_seconds"},
		{"/" + id + "/promote", `{"grace_seconds":1,"quiet_seconds":2}`, "silence is not from 0 seconds to the grace"},
		{"/" + id + "/promote", `{"activate":"later"}`, "now or first-use"},
		{"/" + id + "/promote", `{"activate":1}`, "activate"},
		{"/" + id + "/cancel", `{"acknowledge_use":1}`, "true or false"},
	} {
		header := []string{"Content-Type", "application/json"}
		if p := h.as(h.acme, "POST", rotationsPath+tt.path, tt.body, header...).problem(api.CodeInvalidRequest); !strings.Contains(p.Detail, tt.detail) {
			t.Errorf("%s %s: %s", tt.path, tt.body, p.Detail)
		}
	}
	h.as(h.acme, "POST", rotationsPath, `{}`, "Content-Type", "text/plain").problem(api.CodeUnsupportedMedia)
	for _, step := range []string{"prove", "promote", "retire", "cancel"} {
		h.as(h.acme, "POST", rotationsPath+"/rot_1/"+step, "").problem(api.CodeRotationNotFound)
	}
	h.as(h.acme, "GET", rotationsPath+"/"+id+"x", "").problem(api.CodeRotationNotFound)
	h.as(h.acme, "GET", keysPath+"/nosuch/rotations", "").problem(api.CodeKeyNotFound)
	if got := decodeAs[api.RotationEnvelope](h.as(h.acme, "GET", r.path, "").want(http.StatusOK)).Rotation.State; got != api.RotationMinted {
		t.Errorf("state %s", got)
	}
}
