package mcpconnect

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	serverURL = "https://keys.example.com/mcp"
	keyfob    = "/opt/keyfob/bin/keyfob"
)

// machine is a home folder with a Connector on it.
type machine struct {
	Connector

	t    *testing.T
	home string
	key  secret.Secret
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	home := t.TempDir()
	m := &machine{t: t, home: home, key: secret.New(secret.Key)}
	m.Connector = Connector{
		Dir: filepath.Join(t.TempDir(), "mcp"), Now: time.Now,
		Where: mcpclient.Where{
			GOOS: "linux", Dir: filepath.Join(home, "project"),
			Env: func(name string) string {
				return map[string]string{"HOME": home, "PATH": filepath.Join(home, "bin")}[name]
			},
			Exists: func(path string) bool {
				_, err := os.Stat(path)
				return err == nil || path == keyfob
			},
			LookPath: func(name string) (string, error) {
				path := filepath.Join(home, "bin", name)
				_, err := os.Stat(path)
				return path, err
			},
		},
		Output: func(ctx context.Context, dir string, argv ...string) ([]byte, error) {
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Dir = dir
			return cmd.Output()
		},
	}
	must(t, os.Mkdir(m.Where.Dir, 0o700))
	return m
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func client(tb testing.TB, id string) mcpclient.Client {
	tb.Helper()
	c, ok := mcpclient.Lookup(id)
	if !ok {
		tb.Fatalf("there is no client %s", id)
	}
	return c
}

// want is a client with the machine's key.
func (m *machine) want(c mcpclient.Client) Want {
	tail := []string{"--key", "key_1", "--context", "work", "--org", "acme"}
	return Want{
		Client: c, Key: Key{ID: "key_1", Name: "default", Secret: m.key},
		Helper: append([]string{keyfob, "mcp", "headers"}, tail...), Proxy: append([]string{keyfob, "mcp", "proxy"}, tail...),
	}
}

func (m *machine) request(rung mcpclient.Rung, ids ...string) Request {
	m.t.Helper()
	req := Request{Scope: mcpclient.ScopeUser, Name: "keyfob", URL: serverURL, Rung: rung}
	if rung == mcpclient.RungEnv {
		req.EnvVar = "KEYFOB_KEY"
	}
	for _, id := range ids {
		req.Wants = append(req.Wants, m.want(client(m.t, id)))
	}
	return req
}

// connect is Connect without an error.
func (m *machine) connect(rung mcpclient.Rung, ids ...string) []Step {
	m.t.Helper()
	steps, _, err := m.Connect(m.t.Context(), m.request(rung, ids...))
	must(m.t, err)
	return steps
}

func (m *machine) disconnect(ids ...string) []Step {
	m.t.Helper()
	var all []mcpclient.Client
	for _, id := range ids {
		all = append(all, client(m.t, id))
	}
	steps, err := m.Disconnect(m.t.Context(), all)
	must(m.t, err)
	return steps
}

// write puts a file below the home folder.
func (m *machine) write(name, text string) string {
	m.t.Helper()
	path := filepath.Join(m.home, name)
	must(m.t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(m.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (m *machine) read(name string) string {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.home, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "(none)"
	}
	must(m.t, err)
	return string(data)
}

// files are all files of the home folder, and what they hold.
func (m *machine) files() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	must(m.t, filepath.WalkDir(m.home, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			all[path] = "(folder)"
			return nil
		}
		data, err := os.ReadFile(path)
		all[path] = string(data)
		return err
	}))
	return all
}
