package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestVerifyKey(t *testing.T) {
	t.Parallel()
	token, key := secret.New(secret.Session), secret.New(secret.Key)
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		want := `{"secret":"` + key.Reveal() + `"}`
		if r.Method != http.MethodPost || r.URL.String() != "/v1/keys/verify" || string(body) != want ||
			r.Header.Get("Authorization") != "Bearer "+token.Reveal() {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if tries++; tries == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"valid":true,"code":"","key":{"id":"key_1","name":"ci","expires_at":null,"secret_version":2},
			"org":{"id":"org_1","slug":"acme","name":"Acme"}}`)
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{URL: server.URL, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.VerifyKey(t.Context(), key)
	if err != nil || !got.Valid || *got.Key != (api.VerifiedKey{ID: "key_1", Name: "ci", SecretVersion: 2}) ||
		*got.Org != (api.Org{ID: "org_1", Slug: "acme", Name: "Acme"}) || tries != 2 {
		t.Errorf("%+v, %v after %d tries", got, err, tries)
	}
}
