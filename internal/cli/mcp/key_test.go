package mcp

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// TestTwoSetupsMakeOneKey holds that a setup which finds its new key's name taken by another setup uses that one's key.
func TestTwoSetupsMakeOneKey(t *testing.T) {
	t.Parallel()
	theirs := secret.New(secret.Key)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(status int, kind string, doc any) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(doc)
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /v1/orgs/acme/active-key":
			if asked++; asked == 1 {
				answer(http.StatusNotFound, "application/problem+json", api.Problem{Code: api.CodeNoActiveKey})
				return
			}
			answer(http.StatusOK, "application/json", api.KeyEnvelope{Key: api.Key{ID: "key_1"}})
		case "POST /v1/orgs/acme/keys":
			answer(http.StatusConflict, "application/problem+json", api.Problem{Code: api.CodeNameTaken})
		case "POST /v1/orgs/acme/keys/key_1/reveal":
			answer(http.StatusOK, "application/json", api.KeyWithSecret{Key: api.Key{ID: "key_1"}, Secret: theirs.Reveal()})
		default:
			t.Errorf("unexpected request %s %s", r.Method, r.URL.Path)
		}
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	key, err := SetupKey(t.Context(), c, "acme", "")
	if err != nil || key.Made || key.Key.ID != "key_1" || key.Secret != theirs {
		t.Errorf("got %+v, %v", key, err)
	}
}
