package mcpsink_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/internal/mcpsink"
	"github.com/keyfob/keyfob/internal/sink"
	"github.com/keyfob/keyfob/pkg/secret"
)

const serverURL = "https://keys.example.com/mcp"

// machine is a home folder with clients in it, and a service that knows whose secrets are whose.
type machine struct {
	*testing.T
	home      string
	env       map[string]string
	connector mcpconnect.Connector
	owners    map[secret.Secret]string
	asked     int
	kept      secret.Secret
	keeps     bool
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{T: t, home: t.TempDir(), owners: map[secret.Secret]string{}, keeps: true}
	m.env = map[string]string{"HOME": m.home}
	m.connector = mcpconnect.Connector{
		Dir: filepath.Join(t.TempDir(), "mcp"), Now: time.Now,
		Where: mcpclient.Where{
			GOOS: "linux", Dir: filepath.Join(m.home, "project"),
			Env:      func(name string) string { return m.env[name] },
			Exists:   func(path string) bool { _, err := os.Stat(path); return err == nil },
			LookPath: func(string) (string, error) { return "", os.ErrNotExist },
		},
		Output: func(context.Context, string, ...string) ([]byte, error) { return nil, os.ErrNotExist },
	}
	return m
}

func (m *machine) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// connect connects a client with a new secret of the key.
func (m *machine) connect(id, keyID string, rung mcpclient.Rung) secret.Secret {
	m.Helper()
	c, ok := mcpclient.Lookup(id)
	if !ok {
		m.Fatalf("no client %s", id)
	}
	s := secret.New(secret.Key)
	m.owners[s] = keyID
	_, _, err := m.connector.Connect(m.Context(), mcpconnect.Request{
		Wants: []mcpconnect.Want{{
			Client: c, Key: mcpconnect.Key{ID: keyID, Name: "ci", Secret: s},
			Helper: []string{"/opt/keyfob", "mcp", "headers", "--key", keyID}, Proxy: []string{"/opt/keyfob", "mcp", "proxy", "--key", keyID},
		}},
		Scope: mcpclient.ScopeUser, Name: "keyfob", URL: serverURL, Rung: rung, EnvVar: "CI_KEY",
	})
	m.must(err)
	return s
}

func (m *machine) sink(id string) *mcpsink.Sink {
	m.Helper()
	s, err := mcpsink.New(id, mcpsink.Machine{
		Connector: func() (mcpconnect.Connector, error) { return m.connector, nil },
		Key:       func(context.Context) (string, string, error) { return "key_1", "ci", nil },
		Owner: func(_ context.Context, url string, s secret.Secret) (string, error) {
			m.asked++
			if url != serverURL {
				m.Errorf("asked about an entry for %q", url)
			}
			return m.owners[s], nil
		},
		Keep: func(_ context.Context, _ string, s secret.Secret) error { m.kept = s; return nil },
		Kept: func(context.Context, string) (secret.Secret, bool, error) { return m.kept, m.keeps, nil },
	})
	m.must(err)
	return s
}

// home holds all text in it.
func (m *machine) text() string {
	m.Helper()
	var all strings.Builder
	m.must(filepath.WalkDir(m.home, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	}))
	return all.String()
}

// delivers wants a new secret to come where old ones of the key were, and nothing else to change.
func (m *machine) delivers(id string, old, others []secret.Secret) {
	m.Helper()
	s, next := m.sink(id), secret.New(secret.Key)
	m.must(s.Ready(m.Context()))
	if held, err := s.Holds(m.Context(), next); held || err != nil {
		m.Fatalf("it holds the secret before: %v, %v", held, err)
	}
	for range 2 {
		m.must(s.Put(m.Context(), next))
		if held, err := s.Holds(m.Context(), next); !held || err != nil {
			m.Fatalf("it does not hold the secret: %v", err)
		}
	}
	got := m.text()
	for _, s := range old {
		if strings.Contains(got, s.Reveal()) {
			m.Error("an old secret is still there")
		}
	}
	for _, s := range others {
		if !strings.Contains(got, s.Reveal()) {
			m.Error("another's secret is gone")
		}
	}
	if want := len(old); strings.Count(got, next.Reveal()) != want {
		m.Errorf("the secret is there %d times, want %d", strings.Count(got, next.Reveal()), want)
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	cursor, gemini := m.connect("cursor", "key_1", mcpclient.RungLiteral), m.connect("gemini-cli", "key_1", mcpclient.RungLiteral)
	other := m.connect("goose", "key_2", mcpclient.RungLiteral)
	m.delivers(mcpsink.All, []secret.Secret{cursor, gemini}, []secret.Secret{other})
	if m.asked != 0 {
		t.Errorf("the service was asked %d times about what was written here", m.asked)
	}
}

func TestOneClient(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	cursor, gemini := m.connect("cursor", "key_1", mcpclient.RungLiteral), m.connect("gemini-cli", "key_1", mcpclient.RungLiteral)
	m.delivers("cursor", []secret.Secret{cursor}, []secret.Secret{gemini})
}

// TestUnknownEntries: what Keyfob does not remember to have written, the service tells; and after it is cut, the sink still knows.
func TestUnknownEntries(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	cursor, other := m.connect("cursor", "key_1", mcpclient.RungLiteral), m.connect("goose", "key_2", mcpclient.RungLiteral)
	m.must(os.RemoveAll(m.connector.Dir))
	s, next := m.sink(mcpsink.All), secret.New(secret.Key)
	m.must(s.Ready(t.Context()))
	delete(m.owners, cursor) // in an emergency
	m.must(s.Put(t.Context(), next))
	if got := m.text(); strings.Contains(got, cursor.Reveal()) || !strings.Contains(got, next.Reveal()) || !strings.Contains(got, other.Reveal()) {
		t.Errorf("got %s", got)
	}
}

func TestHelper(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.connect("claude-code", "key_1", mcpclient.RungHelper)
	m.connect("claude-desktop", "key_1", mcpclient.RungProxy)
	before := m.text()
	m.delivers(mcpsink.All, nil, nil)
	if m.text() != before || m.kept.IsZero() {
		t.Error("the files changed, or nothing is kept")
	}
	m.kept, m.keeps = secret.Secret{}, false
	if held, err := m.sink("claude-code").Holds(t.Context(), secret.New(secret.Key)); !held || err != nil {
		t.Errorf("where nothing is kept the client asks the service: %v, %v", held, err)
	}
}

// TestRememberedConnection: what the list of connections says of an entry stays true.
func TestRememberedConnection(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	c, _ := mcpclient.Lookup("cursor")
	_, _, err := m.connector.Connect(t.Context(), mcpconnect.Request{
		Wants: []mcpconnect.Want{{Client: c, Key: mcpconnect.Key{ID: "key_1", Name: "ci", Secret: secret.New(secret.Key), Minted: true}}},
		Scope: mcpclient.ScopeUser, Name: "other-name", URL: serverURL, Named: true, Rung: mcpclient.RungLiteral,
	})
	m.must(err)
	m.must(m.sink("cursor").Put(t.Context(), secret.New(secret.Key)))
	all, _ := m.connector.Scan(mcpclient.Clients())
	if len(all) != 1 || all[0].Name != "other-name" || all[0].Written != "key_1" || !all[0].Minted || len(all[0].Drift) != 0 {
		t.Errorf("%+v", all)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	refused := func(m *machine, id, want string) {
		m.Helper()
		err := m.sink(id).Ready(m.Context())
		known, ok := errors.AsType[*sink.Error](err)
		if !ok || !strings.Contains(known.Error(), want) || known.Hint == "" {
			m.Errorf("got %v, want %q", err, want)
		}
	}
	m := newMachine(t)
	refused(m, mcpsink.All, "no client here is connected with the key ci")
	m.connect("cursor", "key_2", mcpclient.RungLiteral)
	m.connect("claude-code", "key_2", mcpclient.RungHelper)
	refused(m, mcpsink.All, "no client here is connected with the key ci")
	refused(m, "cursor", "no client here")

	held := m.connect("gemini-cli", "key_1", mcpclient.RungEnv)
	refused(m, "gemini-cli", "no client here") // the variable is not this key's here
	m.env["CI_KEY"] = held.Reveal()
	refused(m, "gemini-cli", "refers to the variable CI_KEY")

	m.must(os.WriteFile(filepath.Join(m.home, ".cursor", "mcp.json"), []byte("{"), 0o600))
	refused(m, "cursor", "mcp.json: ")

	_, err := mcpsink.New("emacs", mcpsink.Machine{})
	if known, ok := errors.AsType[*sink.Error](err); !ok || !known.Usage {
		t.Errorf("got %v", err)
	}
}
