package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
)

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// BenchmarkAuthz is the handler without a connection.
func BenchmarkAuthz(b *testing.B) {
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "keyfob.db"))
	must(err)
	defer db.Close()
	c, err := core.New(core.Config{Store: db, Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}}})
	must(err)
	defer c.Close(b.Context())
	_, user, err := c.Bootstrap(b.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "ada"})
	must(err)
	in, err := c.StartSession(b.Context(), user.ID, api.SessionCLI, core.Client{})
	must(err)
	owner, err := c.Authenticate(b.Context(), in.Token.Reveal())
	must(err)
	_, secret, _, err := c.CreateKey(b.Context(), owner, "acme", core.NewKey{Name: "ci"})
	must(err)
	s := New(Config{
		Core: c, PublicURL: &url.URL{}, AllowedHosts: []string{"localhost"}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	r := httptest.NewRequest(http.MethodGet, "http://localhost/v1/authz", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+secret.Reveal())
	r.Header.Set("User-Agent", "bench/1.0")
	b.ReportAllocs()
	for b.Loop() {
		w := &sink{header: http.Header{}}
		if s.ServeHTTP(w, r); w.status != http.StatusNoContent {
			b.Fatal(w.status)
		}
	}
}
