package client_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// TestFloods holds that no answer, however long it grows, takes more memory than its bound or more time than it is read.
func TestFloods(t *testing.T) {
	t.Parallel()
	floods := map[string]http.HandlerFunc{
		"a gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			bomb := gzip.NewWriter(w)
			_, _ = io.CopyN(bomb, endless{}, 256<<20)
			_ = bomb.Close()
		},
		"an endless body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.Copy(w, endless{}) // ends when the client has gone
		},
		"a flood of early hints": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				w.WriteHeader(http.StatusEarlyHints)
			}
			w.WriteHeader(http.StatusTeapot)
		},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, flood)
			_, err := c.UpdateKey(t.Context(), "acme", "ci", api.UpdateKeyRequest{})
			var answered *client.Error
			var unreachable *client.UnreachableError
			if !errors.As(err, &answered) && !errors.As(err, &unreachable) || len(err.Error()) > 500 {
				t.Errorf("%v", err)
			}
		})
	}
}

// endless is a body of blanks.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
