package jobtoken_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/keyfob/keyfob/internal/jobtoken"
)

const jwt = "eyJh.eyJi.c2ln"

func find(t *testing.T, env map[string]string) jobtoken.Source {
	t.Helper()
	s, ok := jobtoken.Find(func(name string) string { return env[name] })
	if !ok {
		t.Fatalf("no source in %v", env)
	}
	return s
}

func TestTheStrongestSourceCounts(t *testing.T) {
	t.Parallel()
	env := map[string]string{}
	if s, ok := jobtoken.Find(func(name string) string { return env[name] }); ok {
		t.Errorf("%+v", s)
	}
	for _, step := range []struct{ name, kind string }{
		{"ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""}, {"ACTIONS_ID_TOKEN_REQUEST_URL", "github-actions"}, {"KEYFOB_ID_TOKEN", "gitlab-ci"}, {"KEYFOB_OIDC_TOKEN_FILE", "file"},
	} {
		env[step.name] = "x"
		if s, _ := jobtoken.Find(func(name string) string { return env[name] }); s.Kind != step.kind {
			t.Errorf("with %s: %q, want %q", step.name, s.Kind, step.kind)
		}
	}
}

// github is a runner's endpoint; n counts from 1.
func github(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int32)) (jobtoken.Source, *atomic.Int32) {
	t.Helper()
	asked := &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, asked.Add(1)) }))
	t.Cleanup(server.Close)
	return find(t, map[string]string{
		"ACTIONS_ID_TOKEN_REQUEST_URL": server.URL + "/token?api-version=2.0&audience=theirs", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer-of-the-job",
	}), asked
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	s, asked := github(t, func(w http.ResponseWriter, r *http.Request, n int32) {
		if n == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if got := r.URL.Query()["audience"]; len(got) != 1 || got[0] != "https://keys.example.com" || r.URL.Query().Get("api-version") != "2.0" {
			t.Errorf("asked for %s", r.URL)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer bearer-of-the-job" {
			t.Errorf("Authorization %q", got)
		}
		_, _ = w.Write([]byte(`{"count":1,"value":"` + jwt + `"}`))
	})
	if got, err := s.Token(t.Context(), "https://keys.example.com"); got != jwt || err != nil || asked.Load() != 2 {
		t.Errorf("%q, %v, asked %d times", got, err, asked.Load())
	}
}

func TestGitHubThatGivesNone(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		asked  int32
		want   string
	}{
		"403": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, 1, "403"},
		"500": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, 3, "500"},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusFound)
		}, 1, "302"},
		"no JSON":  {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, 1, "holds none"},
		"no value": {func(w http.ResponseWriter) { _, _ = w.Write([]byte("{}")) }, 1, "holds none"},
		"no JWT":   {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"value":"secret"}`)) }, 1, "no signed JWT"},
		"large":    {func(w http.ResponseWriter) { _, _ = w.Write([]byte(strings.Repeat(" ", 1<<20))) }, 3, "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, asked := github(t, func(w http.ResponseWriter, _ *http.Request, _ int32) { tt.answer(w) })
			got, err := s.Token(t.Context(), "a")
			if got != "" || err == nil || !strings.Contains(err.Error(), tt.want) || asked.Load() != tt.asked {
				t.Errorf("%q, %v, asked %d times", got, err, asked.Load())
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "bearer-of")) {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

// The request's token goes to https, or to this machine, and nowhere else.
func TestURLsThatAreNotAsked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://runner.example.com/x", "http://localhost:1/", "ftp://127.0.0.1/", "https://u:p@runner.example.com/", "https://", "::", "/x"} {
		s := find(t, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"})
		if _, err := s.Token(t.Context(), "a"); err == nil || err.Error() != "ACTIONS_ID_TOKEN_REQUEST_URL is no https URL" {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAWaitCanBeCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, _ := github(t, func(_ http.ResponseWriter, r *http.Request, _ int32) { cancel(); <-r.Context().Done() })
	if _, err := s.Token(ctx, "a"); err == nil {
		t.Error("no error")
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct{ text, want string }{
		"good": {jwt + "\n", ""}, "empty": {"", "no signed JWT"}, "two": {jwt + "\n" + jwt, "no signed JWT"}, "large": {strings.Repeat("x", 17<<10), "no file with one token"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := find(t, map[string]string{"KEYFOB_OIDC_TOKEN_FILE": path}).Token(t.Context(), "a")
		if tt.want == "" && (got != jwt || err != nil) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for path, want := range map[string]string{filepath.Join(dir, "none"): "is not there", dir: "no file with one token"} {
		if _, err := find(t, map[string]string{"KEYFOB_OIDC_TOKEN_FILE": path}).Token(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
