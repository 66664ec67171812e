package keys

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// fullDisk is an output that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestCreateSaysThatAKeyIsThere holds that whoever can't get the secret learns of the key, and what to do about it.
func TestCreateSaysThatAKeyIsThere(t *testing.T) {
	t.Parallel()
	const made = `the key "ci" was made, but its secret could not be written: no space left on device`
	for _, tc := range []struct {
		name        string
		format      cliutil.Format
		recoverable bool
		hint        string
	}{
		{"text", cliutil.FormatTable, true, "print it: keyfob keys reveal key_1"},
		{"json", cliutil.FormatJSON, true, "print it: keyfob keys reveal key_1"},
		{"kept nowhere", cliutil.FormatTable, false, "its secret is kept nowhere: give it another with `keyfob keys rotate key_1 --retire now`"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _, errOut := cliutil.TestStreams()
			streams.Out = fullDisk{}
			err := createRun(t.Context(), &CreateOptions{
				Session: oneKey(t, api.Key{ID: "key_1", Name: "ci", Recoverable: tc.recoverable}),
				Out:     &cliutil.Output{Format: tc.format, IO: streams}, Name: "ci",
			})
			var e *cliutil.Error
			if !errors.As(err, &e) || e.Exit != cliutil.ExitFailed || e.Message != made || e.Hint != tc.hint {
				t.Errorf("got %+v", err)
			}
			if errOut.Len() > 0 {
				t.Errorf("success was told: %q", errOut)
			}
		})
	}
}

// oneKey answers a create with the key.
func oneKey(t *testing.T, key api.Key) func(context.Context) (*cliutil.Session, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(api.KeyWithSecret{Key: key, Secret: secret.New(secret.Key).Reveal()})
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return func(context.Context) (*cliutil.Session, error) { return &cliutil.Session{Client: c, Org: "acme"}, nil }
}
