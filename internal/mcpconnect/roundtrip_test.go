package mcpconnect

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// others are documents of a format that hold another server at the place of a client, as people write them.
func others(target mcpclient.Target) []string {
	if target.Place.Key != "" || len(target.Place.Path) != 1 {
		return nil
	}
	name := target.Place.Path[0]
	switch target.Format {
	case edit.JSON:
		return []string{"{\n  \"" + name + "\": {\n    \"other\": {\"command\": \"x\", \"big\": 12345678901234567890}\n  }\n}", "{}", "{\"" + name + "\":{}}\n"}
	case edit.JSONC:
		return []string{"// top\n{\n\t\"" + name + "\": {\n\t\t// mine\n\t\t\"other\": {\"command\": \"x\"}, // keep\n\t},\n}\n", "{ }\r\n"}
	case edit.TOML:
		return []string{"# top\nmodel = \"x\" # keep\n\n[" + name + ".other]\ncommand = \"x\"\n\n[tail]\nday = 2026-11-25\n", "model = \"x\""}
	case edit.YAML:
		return []string{"# top\na: &d {b: 1}\n\n" + name + ":\n  other: # keep\n    cmd: x\n    <<: *d\ntail: |\n  text\n", "a: 1\n"}
	}
	return nil
}

// TestConnectAndDisconnect connects every client on each of its rungs in each scope, onto files of many kinds, and holds that
// disconnect gives back what was there, to the byte.
func TestConnectAndDisconnect(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, c := range mcpclient.Clients() {
		for _, scope := range mcpclient.Scopes() {
			for _, rung := range c.Rungs(scope) {
				tried++
				t.Run(c.ID+"/"+string(scope)+"/"+string(rung), func(t *testing.T) {
					t.Parallel()
					m := newMachine(t)
					targets := c.Targets(m.Where, scope)
					if len(targets) == 0 {
						t.Skip("it has no such file on Linux")
					}
					req := m.request(rung, c.ID)
					req.Scope = scope
					roundTrip(t, m, c, req, targets[0].Path, "")
					for _, text := range others(targets[0]) {
						roundTrip(t, m, c, req, targets[0].Path, text)
					}
				})
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d rungs were tried", tried)
	}
}

func roundTrip(t *testing.T, m *machine, c mcpclient.Client, req Request, path, text string) {
	t.Helper()
	if text != "" {
		name, err := filepath.Rel(m.home, path)
		must(t, err)
		m.write(name, text)
	}
	before := m.files()
	steps, _, err := m.Connect(t.Context(), req)
	must(t, err)
	if s := steps[0]; len(steps) != 1 || s.Outcome != Added || s.Path != path || s.Rung != req.Rung || s.Name != "keyfob" {
		t.Fatalf("%+v", steps)
	}
	if strings.Contains(steps[0].Diff, m.key.Reveal()) {
		t.Errorf("the diff shows the key:\n%s", steps[0].Diff)
	}
	holds(t, m, c, req)
	connected := m.files()
	again, change, err := m.Connect(t.Context(), req)
	must(t, err)
	if again[0].Outcome != Unchanged || !change.at.IsZero() || !maps.Equal(connected, m.files()) {
		t.Errorf("once more: %+v, %v", again, change)
	}
	gone, err := m.Disconnect(t.Context(), []mcpclient.Client{c})
	must(t, err)
	if len(gone) != 1 || gone[0].Outcome != Removed {
		t.Errorf("disconnect: %+v", gone)
	}
	after := m.files()
	for name := range maps.Keys(before) {
		if before[name] != after[name] {
			t.Errorf("%s is not what it was:\n%q\n%q", name, before[name], after[name])
		}
	}
	for name := range maps.Keys(after) {
		if _, ok := before[name]; !ok {
			t.Errorf("%s was left: %q", name, after[name])
		}
	}
}

// holds that Scan finds what Connect wrote, and that a file with the key is closed to others.
func holds(t *testing.T, m *machine, c mcpclient.Client, req Request) {
	t.Helper()
	found, troubles := m.Scan([]mcpclient.Client{c}, serverURL)
	if len(found) != 1 || len(troubles) > 0 {
		t.Fatalf("found %+v, troubles %+v", found, troubles)
	}
	got := found[0]
	if got.Name != "keyfob" || got.Rung != req.Rung || got.Scope != req.Scope || len(got.Drift) > 0 {
		t.Errorf("found %+v", got)
	}
	switch req.Rung {
	case mcpclient.RungLiteral:
		info, err := os.Stat(got.Path)
		must(t, err)
		if got.Key.Reveal() != m.key.Reveal() || info.Mode().Perm() != 0o600 {
			t.Errorf("the key %v in a file of mode %v", got.Key, info.Mode())
		}
	case mcpclient.RungEnv:
		if got.EnvVar != "KEYFOB_KEY" || !got.Key.IsZero() {
			t.Errorf("found %+v", got)
		}
	case mcpclient.RungHelper, mcpclient.RungProxy:
		if got.KeyID != "key_1" || len(got.Helper)+len(got.Proxy) != 9 || !got.Key.IsZero() {
			t.Errorf("found %+v", got)
		}
	}
}
