package mcpclient

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// machine is a machine of an OS with these variables and files.
func machine(goos string, env map[string]string, exist ...string) Where {
	all := map[string]string{"HOME": "/home/ada", "USERPROFILE": `C:\Users\Ada`, "APPDATA": `C:\Users\Ada\AppData\Roaming`, "LOCALAPPDATA": `C:\Users\Ada\AppData\Local`}
	dir := "/src/app"
	switch goos {
	case "darwin":
		all["HOME"] = "/Users/ada"
	case "windows":
		dir = `D:\src\app`
	}
	maps.Copy(all, env)
	return Where{
		GOOS: goos, Env: func(name string) string { return all[name] }, Dir: dir,
		Exists: func(path string) bool { return slices.Contains(exist, path) },
		LookPath: func(name string) (string, error) {
			if slices.Contains(exist, "PATH/"+name) {
				return "/usr/bin/" + name, nil
			}
			return "", os.ErrNotExist
		},
	}
}

// auths are the ways to give a client the key, by rung.
func auths(tb testing.TB, windows bool) map[Rung]Auth {
	tb.Helper()
	program := "/opt/my tools/keyfob"
	if windows {
		program = `C:\Program Files\keyfob.exe`
	}
	return map[Rung]Auth{
		RungLiteral: {Rung: RungLiteral, Literal: params(tb).Secret},
		RungEnv:     {Rung: RungEnv, EnvVar: "ACME_API_KEY"},
		RungHelper:  {Rung: RungHelper, Helper: []string{program, "mcp", "headers", "--key", "ci"}},
		RungProxy:   {Rung: RungProxy, Proxy: []string{program, "mcp", "proxy", "--url", testURL}},
	}
}

// TestGolden holds every client's files and entries to testdata/clients.golden, which a person has read. With
// UPDATE_CLIENTS=1 it writes the file instead.
func TestGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range Clients() {
		fmt.Fprintf(&b, "# %s\n", c.ID)
		for _, goos := range []string{"linux", "darwin", "windows"} {
			w := machine(goos, nil)
			for _, s := range Scopes() {
				for _, target := range c.Targets(w, s) {
					fmt.Fprintf(&b, "%s %s %s %s\n", goos, s, target.Format, target.Path)
				}
			}
			for _, target := range c.Known(w) {
				if target.Old {
					fmt.Fprintf(&b, "%s old %s %s %q\n", goos, target.Format, target.Path, target.Place.Path)
				}
			}
		}
		goldenEntries(t, &b, c)
		goldenSetup(t, &b, c)
		b.WriteString("\n")
	}
	path := filepath.Join("testdata", "clients.golden")
	if os.Getenv("UPDATE_CLIENTS") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("line %d\ngot  %q\nwant %q", i+1, got[min(i, len(got)-1)], line)
		}
	}
}

func goldenEntries(t *testing.T, b *strings.Builder, c Client) {
	t.Helper()
	if user, project := c.Rungs(ScopeUser), c.Rungs(ScopeProject); len(project) > 0 && !slices.Equal(user, project) {
		fmt.Fprintf(b, "rungs %s, in a project %s\n", user, project)
	}
	for _, r := range c.Rungs(ScopeUser) {
		target := firstTarget(t, c, ScopeUser)
		entry, drop, err := c.Entry(target, params(t), auths(t, false)[r])
		if err != nil {
			t.Errorf("%s, %s: %v", c.ID, r, err)
			continue
		}
		text, err := snippet(target.Format, target.Place, "acme", entry)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(b, "- %s, drops %q\n%s\n", r, drop, strings.ReplaceAll(text, testKey, "KEY"))
	}
}

func goldenSetup(t *testing.T, b *strings.Builder, c Client) {
	t.Helper()
	s := setup(t, c.ID, params(t))
	lines := []string{"setup " + string(s.Kind), s.File, s.Text}
	if s.URL != s.Text {
		lines = append(lines, s.URL)
	}
	lines = append(append(lines, s.Steps...), s.Note, c.After())
	for _, line := range lines {
		if line != "" {
			b.WriteString(strings.ReplaceAll(line, testKey, "KEY") + "\n")
		}
	}
}

// firstTarget is the file of the scope on the first OS that has it.
func firstTarget(t *testing.T, c Client, s Scope) Target {
	t.Helper()
	for _, goos := range []string{"linux", "darwin", "windows"} {
		if targets := c.Targets(machine(goos, nil), s); len(targets) > 0 {
			return targets[0]
		}
	}
	t.Fatalf("%s has no file of the %s scope", c.ID, s)
	return Target{}
}

// decoded is an object as an editor reads it back.
func decoded(v any) any {
	switch v := v.(type) {
	case edit.Object:
		m := map[string]any{}
		for _, f := range v {
			m[f.Name] = decoded(f.Value)
		}
		return m
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = decoded(v[i])
		}
		return out
	case int:
		return int64(v)
	default:
		return v
	}
}

// TestReadUndoesEntry holds that what Read finds is what Entry was given: every client, scope, OS and rung.
func TestReadUndoesEntry(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, c := range Clients() {
		for _, goos := range []string{"linux", "darwin", "windows"} {
			for _, s := range Scopes() {
				for _, target := range c.Targets(machine(goos, nil), s) {
					for _, r := range c.Rungs(s) {
						a := auths(t, goos == "windows")[r]
						entry, _, err := c.Entry(target, params(t), a)
						if err != nil {
							t.Fatalf("%s, %s, %s: %v", c.ID, goos, r, err)
						}
						want := Found{URL: testURL, Rung: r, Key: a.Literal, EnvVar: a.EnvVar, Helper: a.Helper, Argv: a.Proxy}
						got, ok := c.Read(target, edit.Entry{Name: "acme", Value: decoded(entry)})
						if !ok || !reflect.DeepEqual(got, want) {
							t.Errorf("%s, %s, %s, %s\ngot  %+v\nwant %+v", c.ID, goos, s, r, got, want)
						}
						tried++
					}
				}
			}
		}
	}
	if tried < 300 {
		t.Errorf("only %d entries were tried", tried)
	}
}

// TestDropsMakeRoom holds that an entry which changes its rung, edited as agreed, is read as the new rung alone.
func TestDropsMakeRoom(t *testing.T) {
	t.Parallel()
	for _, c := range Clients() {
		rungs := c.Rungs(ScopeUser)
		if len(rungs) == 0 {
			continue
		}
		target := firstTarget(t, c, ScopeUser)
		windows := target.windows
		for _, from := range rungs {
			for _, to := range rungs {
				before, _, err := c.Entry(target, params(t), auths(t, windows)[from])
				if err != nil {
					t.Fatal(err)
				}
				after, drop, err := c.Entry(target, params(t), auths(t, windows)[to])
				if err != nil {
					t.Fatal(err)
				}
				standing, _ := decoded(before).(map[string]any)
				for _, path := range drop {
					takeOut(standing, path)
				}
				merge(standing, decoded(after).(map[string]any))
				a := auths(t, windows)[to]
				want := Found{URL: testURL, Rung: to, Key: a.Literal, EnvVar: a.EnvVar, Helper: a.Helper, Argv: a.Proxy}
				if got, ok := c.Read(target, edit.Entry{Value: standing}); !ok || !reflect.DeepEqual(got, want) {
					t.Errorf("%s from %s to %s\ngot  %+v\nwant %+v\nin %v", c.ID, from, to, got, want, standing)
				}
			}
		}
	}
}

func takeOut(m map[string]any, path []string) {
	for len(path) > 1 {
		inner, ok := m[path[0]].(map[string]any)
		if !ok {
			return
		}
		m, path = inner, path[1:]
	}
	delete(m, path[0])
}

func merge(into, from map[string]any) {
	for name, value := range from {
		inner, isMap := value.(map[string]any)
		standing, wasMap := into[name].(map[string]any)
		if isMap && wasMap {
			merge(standing, inner)
			continue
		}
		into[name] = value
	}
}

// TestSnippetsParse holds that what is printed for a person is a document of its format with the entry in its place.
func TestSnippetsParse(t *testing.T) {
	t.Parallel()
	for _, c := range Clients() {
		for _, r := range c.Rungs(ScopeUser) {
			target := firstTarget(t, c, ScopeUser)
			entry, _, err := c.Entry(target, params(t), auths(t, target.windows)[r])
			if err != nil {
				t.Fatal(err)
			}
			text, err := snippet(target.Format, target.Place, "acme", entry)
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			switch target.Format {
			case edit.TOML:
				err = toml.Unmarshal([]byte(text), &doc)
			case edit.YAML:
				err = yaml.Unmarshal([]byte(text), &doc)
			default:
				err = json.Unmarshal([]byte(text), &doc)
			}
			for _, name := range target.Place.Path {
				m, _ := doc.(map[string]any)
				doc = m[name]
			}
			want := decoded(entry)
			if target.Place.Key != "" {
				items, _ := doc.([]any)
				doc = items[0]
				want.(map[string]any)[target.Place.Key] = "acme"
			} else if m, ok := doc.(map[string]any); ok {
				doc = m["acme"]
			}
			if got := normal(t, doc); err != nil || got != normal(t, want) {
				t.Errorf("%s, %s: %v\n%s\ngot  %s\nwant %s", c.ID, r, err, text, got, normal(t, want))
			}
		}
	}
}

// normal is a value as JSON with sorted names.
func normal(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
