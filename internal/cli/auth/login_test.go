package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/app"
	"github.com/keyfob/keyfob/internal/cli/root"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// service answers as a Keyfob service does and remembers who asked for what. Its answers can be bent.
type service struct {
	*httptest.Server

	mu    sync.Mutex
	calls []string // METHOD PATH and whose token, by its name in tokens
	polls []api.OAuthCode
	page  string
	token secret.Secret
	made  map[string]bool // not nil: each sign-in gets a token of its own; whether it is good
	// polled and started run while the service is asked.
	polled, started, proved func()
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{token: secret.New(secret.Session), polled: func() {}, started: func() {}, proved: func() {}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	s.page = s.URL + "/device"
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
	whose := "other"
	switch token {
	case "":
		whose = "none"
	case s.token.Reveal():
		whose = "new"
	}
	s.calls = append(s.calls, r.Method+" "+r.URL.Path+" "+whose)
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/device/code":
		s.started()
		answer(200, api.DeviceCode{
			DeviceCode: "d", UserCode: "BCDF-GHJK", VerificationURI: s.page, VerificationURIComplete: s.page + "?code=BCDF-GHJK",
			ExpiresIn: 600, Interval: 1,
		})
	case "POST /v1/device/token":
		s.polled()
		if len(s.polls) > 0 {
			answer(400, api.OAuthError{Code: s.polls[0], Description: "not yet"})
			s.polls = s.polls[1:]
			return
		}
		given := s.token
		if s.made != nil {
			given = secret.New(secret.Session)
			s.made[given.Reveal()] = true
		}
		answer(200, api.AccessToken{AccessToken: given.Reveal(), TokenType: "Bearer", ExpiresIn: 60})
	case "GET /v1/session":
		s.proved()
		answer(200, api.SessionInfo{User: api.User{Name: "ada"}, Orgs: []api.Membership{{Org: api.Org{Slug: "acme"}, Role: api.RoleAdmin}}})
	case "DELETE /v1/session":
		if s.made != nil {
			s.made[token] = false
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

func (s *service) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// machine is a home folder with no keyring.
type machine struct {
	dir            string
	env            map[string]string
	opened         []string
	stdout, stderr bytes.Buffer
	onOpen         func(url string) error
	stdin          string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	return &machine{dir: dir, env: map[string]string{"HOME": dir, "DISPLAY": ":0"}, onOpen: func(string) error { return nil }}
}

func (m *machine) run(ctx context.Context, args ...string) cliutil.Exit {
	m.stdout.Reset()
	m.stderr.Reset()
	streams := &cliutil.IOStreams{In: strings.NewReader(m.stdin), Out: &m.stdout, ErrOut: &m.stderr}
	f := cliutil.NewFactory(streams, func(name string) string { return m.env[name] })
	f.GOOS = "linux"
	f.Hostname = func() (string, error) { return "laptop", nil }
	f.OpenBrowser = func(url string) error {
		m.opened = append(m.opened, url)
		return m.onOpen(m.stderr.String())
	}
	return app.Run(ctx, f, root.New, args)
}

func (m *machine) login(ctx context.Context, s *service, more ...string) cliutil.Exit {
	args := append([]string{"auth", "login", "--url", s.URL}, more...)
	if !strings.Contains(strings.Join(more, " "), "--storage=") {
		args = append(args, "--insecure-storage")
	}
	return m.run(ctx, slices.DeleteFunc(args, func(a string) bool { return a == "--storage=" })...)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s, m := newService(t), newMachine(t)
	s.polls = []api.OAuthCode{api.OAuthPending}
	m.onOpen = func(said string) error {
		if !strings.Contains(said, "Open "+s.URL+"/device and enter the code BCDF-GHJK") {
			t.Errorf("a browser was opened before this was said: %q", said)
		}
		return nil
	}
	if exit := m.login(t.Context(), s, "-o", "json"); exit != 0 {
		t.Fatalf("exit %d: %s", exit, m.stderr.String())
	}
	var got struct {
		Context, URL, Org, Role string
		Source                  struct{ Kind, Detail string }
	}
	if err := json.Unmarshal(m.stdout.Bytes(), &got); err != nil || got.Org != "acme" || got.Role != "admin" || got.URL != s.URL {
		t.Errorf("%+v, %v", got, err)
	}
	if len(m.opened) != 1 || m.opened[0] != s.URL+"/device?code=BCDF-GHJK" {
		t.Errorf("opened %q", m.opened)
	}
	info, err := os.Stat(got.Source.Detail)
	if got.Source.Kind != "plain" || err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kept in %+v, %v", got.Source, err)
	}
	if strings.Contains(m.stderr.String()+m.stdout.String(), s.token.Reveal()) {
		t.Error("the token was shown")
	}

	// Again: the earlier session ends, but only once the new one is stored and proven.
	old := s.token
	s.mu.Lock()
	s.token, s.calls = secret.New(secret.Session), nil
	s.mu.Unlock()
	if exit := m.login(t.Context(), s, "--no-browser", "-q"); exit != 0 || len(m.opened) != 1 {
		t.Fatalf("exit %d, opened %q", exit, m.opened)
	}
	if !strings.Contains(m.stderr.String(), "BCDF-GHJK") {
		t.Errorf("--quiet hid what to do: %q", m.stderr.String())
	}
	calls := s.seen()
	if want := "DELETE /v1/session other"; calls[len(calls)-1] != want || !slices.Contains(calls, "GET /v1/session new") {
		t.Errorf("%q, want %q at the end", calls, want)
	}
	if kept, err := os.ReadFile(got.Source.Detail); err != nil || strings.Contains(string(kept), old.Reveal()) || !strings.Contains(string(kept), s.token.Reveal()) {
		t.Errorf("the new session is not the one that is kept: %v", err)
	}
	if exit := m.run(t.Context(), "auth", "token"); exit != 0 || m.stdout.String() != s.token.Reveal()+"\n" {
		t.Errorf("auth token: exit %d", exit)
	}
	if exit := m.run(t.Context(), "auth", "status", "--offline"); exit != 0 || !strings.Contains(m.stdout.String(), "not encrypted") {
		t.Errorf("status --offline: exit %d, %s", exit, m.stdout.String())
	}
}

// TestLoginFails holds that a sign-in which does not end well leaves nothing: no context, no file, no session on the service.
func TestLoginFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		arrange func(*testing.T, *service, *machine)
		args    []string
		exit    cliutil.Exit
		says    string
		last    string // the last call
	}{
		"denied": {
			func(_ *testing.T, s *service, _ *machine) { s.polls = []api.OAuthCode{api.OAuthDenied} },
			nil, cliutil.ExitAuth, "denied in the browser", "POST /v1/device/token none",
		},
		"expired": {
			func(_ *testing.T, s *service, _ *machine) { s.polls = []api.OAuthCode{api.OAuthExpired} },
			nil, cliutil.ExitAuth, "run the command again for a new code", "POST /v1/device/token none",
		},
		"another's page": {
			func(_ *testing.T, s *service, _ *machine) { s.page = "https://evil.example/device" },
			nil, cliutil.ExitFailed, "not its own", "POST /v1/device/code none",
		},
		"nobody to approve": {
			func(*testing.T, *service, *machine) {},
			[]string{"--no-input"},
			cliutil.ExitUsage, "--with-token", "",
		},
		"no keyring": {
			func(*testing.T, *service, *machine) {},
			[]string{"--storage="},
			cliutil.ExitAuth, "--insecure-storage", "",
		},
		"no helper": {
			func(*testing.T, *service, *machine) {},
			[]string{"--storage=", "--credential-helper", "/nowhere/helper"},
			cliutil.ExitAuth, "/nowhere/helper", "",
		},
		"two places": {
			func(*testing.T, *service, *machine) {},
			[]string{"--encrypted-storage"},
			cliutil.ExitUsage, "can't be given together", "",
		},
		"no passphrase": {
			func(*testing.T, *service, *machine) {},
			[]string{"--storage=", "--encrypted-storage"},
			cliutil.ExitAuth, "KEYFOB_PASSPHRASE", "DELETE /v1/session new",
		},
		"a place that is taken": {
			func(t *testing.T, s *service, m *machine) {
				t.Helper()
				s.started = func() { // after the place was looked at, before it is written to
					dir := filepath.Join(m.dir, ".config", "keyfob", "credentials")
					if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o700), os.WriteFile(dir, nil, 0o600)); err != nil {
						t.Error(err)
					}
				}
			},
			nil, cliutil.ExitAuth, "credentials", "DELETE /v1/session new",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := newService(t), newMachine(t)
			tt.arrange(t, s, m)
			exit := m.login(t.Context(), s, tt.args...)
			if exit != tt.exit || !strings.Contains(m.stderr.String(), tt.says) || m.stdout.Len() > 0 {
				t.Errorf("exit %d, %q", exit, m.stderr.String())
			}
			calls := append([]string{""}, s.seen()...)
			if last := calls[len(calls)-1]; last != tt.last {
				t.Errorf("the last call is %q, want %q", last, tt.last)
			}
			if _, err := os.Stat(filepath.Join(m.dir, ".config", "keyfob", "contexts")); err == nil {
				t.Error("a context was made")
			}
			if strings.Contains(m.stderr.String(), s.token.Reveal()) {
				t.Error("the token was shown")
			}
		})
	}
}

func TestTokenFromEnvironment(t *testing.T) {
	t.Parallel()
	s, m := newService(t), newMachine(t)
	m.env["KEYFOB_TOKEN"] = secret.New(secret.Session).Reveal()
	if exit := m.login(t.Context(), s); exit != 0 || !strings.Contains(m.stderr.String(), "warning: KEYFOB_TOKEN is set") {
		t.Errorf("login: exit %d, %s", exit, m.stderr.String())
	}
	if exit := m.run(t.Context(), "auth", "status"); exit != 0 || !strings.Contains(m.stderr.String(), "warning: KEYFOB_TOKEN is set") {
		t.Errorf("status: exit %d, %s", exit, m.stderr.String())
	}
	if exit := m.run(t.Context(), "auth", "token"); exit != 0 || m.stdout.String() != m.env["KEYFOB_TOKEN"]+"\n" {
		t.Errorf("token: exit %d", exit)
	}
}
