package mcpconnect

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/userfile"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestTheStrongestRung(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, s := range m.connect("", "claude-code", "cursor", "claude-desktop", "qwen-code", "cline") {
		if want := map[string]mcpclient.Rung{
			"claude-code": mcpclient.RungHelper, "cursor": mcpclient.RungLiteral, "claude-desktop": mcpclient.RungProxy,
			"qwen-code": mcpclient.RungProxy, "cline": mcpclient.RungProxy, // which make their files readable for others
		}[s.Client]; s.Rung != want {
			t.Errorf("%s takes the key as %s, want %s", s.Client, s.Rung, want)
		}
	}
	m = newMachine(t) // the session is one that only this process has
	req := m.request("", "claude-code", "cursor")
	req.Wants[0].Helper = nil
	steps, _, err := m.Connect(t.Context(), req)
	must(t, err)
	if steps[0].Rung != mcpclient.RungLiteral {
		t.Errorf("without a helper: %s", steps[0].Rung)
	}
	req = m.request("", "claude-desktop")
	req.Wants[0].Proxy = nil
	if _, _, err := m.Connect(t.Context(), req); !errors.Is(err, ErrRung) || !strings.Contains(err.Error(), "by itself") {
		t.Errorf("without a proxy: %v", err)
	}
}

// TestOldClient holds that a rung is not taken which the client's program would ignore, by the version that is installed.
func TestOldClient(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]mcpclient.Rung{"0.147.9": mcpclient.RungLiteral, "0.148.0": mcpclient.RungHelper, "0.169.0": mcpclient.RungHelper} {
		m := newMachine(t)
		m.write("lib/codex/package.json", `{"name":"@openai/codex","version":"`+version+`"}`)
		script := m.write("lib/codex/bin/codex.js", "")
		must(t, os.Mkdir(filepath.Join(m.home, "bin"), 0o700))
		must(t, os.Symlink(script, filepath.Join(m.home, "bin", "codex")))
		m.write(".codex/config.toml", "")
		if s := m.connect("", "codex")[0]; s.Rung != want || (want == mcpclient.RungLiteral) != (len(s.Warnings) == 1) {
			t.Errorf("codex %s: %+v", version, s)
		}
	}
}

func TestTheServerIsThereAlready(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(".cursor/mcp.json", `{"mcpServers": {"mine": {"url": "HTTPS://Keys.example.com:443/mcp/", "headers": {"X-Team": "web"}, "disabled": true}}}`)
	s := m.connect(mcpclient.RungLiteral, "cursor")[0]
	if s.Name != "mine" || s.Outcome != Updated || len(s.Warnings) != 1 {
		t.Errorf("%+v", s)
	}
	got := m.read(".cursor/mcp.json")
	for _, want := range []string{`"X-Team": "web"`, `"disabled": true`, m.key.Reveal()} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if strings.Contains(got, "keyfob") {
		t.Errorf("it is there twice: %s", got)
	}
}

func TestTheNameIsTaken(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	const text = `{"mcpServers": {"keyfob": {"url": "https://elsewhere.example.com/mcp"}}}`
	m.write(".cursor/mcp.json", text)
	m.write(".gemini/settings.json", "{}")
	_, _, err := m.Connect(t.Context(), m.request(mcpclient.RungLiteral, "gemini-cli", "cursor"))
	if !errors.Is(err, ErrName) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v", err)
	}
	if m.read(".cursor/mcp.json") != text || m.read(".gemini/settings.json") != "{}" {
		t.Error("a file was touched")
	}
	req := m.request(mcpclient.RungLiteral, "cursor")
	req.Name, req.Named = "other", true
	steps, _, err := m.Connect(t.Context(), req)
	if err != nil || steps[0].Name != "other" || steps[0].Outcome != Added {
		t.Errorf("%+v, %v", steps, err)
	}
}

func TestChangingTheRung(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(".claude.json", `{"mcpServers": {}, "n": 12345678901234567890}`)
	before := m.files()
	m.connect(mcpclient.RungLiteral, "claude-code")
	if s := m.connect(mcpclient.RungHelper, "claude-code")[0]; s.Outcome != Updated {
		t.Errorf("%+v", s)
	}
	if got := m.read(".claude.json"); strings.Contains(got, m.key.Reveal()) || strings.Contains(got, "headers\"") || !strings.Contains(got, "headersHelper") {
		t.Errorf("it holds %s", got)
	}
	m.disconnect("claude-code")
	if got := m.files(); got[filepath.Join(m.home, ".claude.json")] != before[filepath.Join(m.home, ".claude.json")] {
		t.Errorf("it holds %s", got)
	}
}

// TestBrokenFile holds that one file that can't be edited leaves all files alone, and that its text is not repeated.
func TestBrokenFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(".cursor/mcp.json", "{}")
	path := m.write(".gemini/settings.json", "{\n  \"mcpServers\": {\"x\": \"kfs_SECRET\"\n")
	_, _, err := m.Connect(t.Context(), m.request(mcpclient.RungLiteral, "cursor", "gemini-cli"))
	var known *Error
	if !errors.As(err, &known) || known.Path != path || !errors.Is(err, edit.ErrSyntax) || !strings.Contains(err.Error(), "line 3") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v", err)
	}
	if m.read(".cursor/mcp.json") != "{}" {
		t.Error("the other file was touched")
	}
}

func TestLiteralInARepository(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	m := newMachine(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", m.Where.Dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	req := m.request(mcpclient.RungLiteral, "cursor")
	req.Scope = mcpclient.ScopeProject
	steps, _, err := m.Connect(t.Context(), req)
	must(t, err)
	if len(steps[0].Warnings) != 1 {
		t.Errorf("untracked: %+v", steps[0])
	}
	m.disconnect("cursor")
	m.write("project/.cursor/mcp.json", "{}")
	git("add", ".cursor/mcp.json")
	if _, _, err := m.Connect(t.Context(), req); !errors.Is(err, ErrTracked) || m.read("project/.cursor/mcp.json") != "{}" {
		t.Errorf("tracked: %v", err)
	}
	req.Rung, req.EnvVar = mcpclient.RungEnv, "KEYFOB_KEY"
	if _, _, err := m.Connect(t.Context(), req); err != nil {
		t.Errorf("a variable: %v", err)
	}
}

func TestUndo(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(".cursor/mcp.json", "{ }")
	before := m.files()
	m.connect(mcpclient.RungLiteral, "cursor", "gemini-cli")
	what, paths, err := m.Undo(t.Context())
	if err != nil || what != "connect" || len(paths) != 2 {
		t.Fatalf("%s, %q, %v", what, paths, err)
	}
	if got := m.files(); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("%q", got)
	}
	if found, _ := m.Scan(mcpclient.Clients(), serverURL); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	if _, _, err := m.Undo(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("once more: %v", err)
	}

	m.connect(mcpclient.RungLiteral, "cursor", "gemini-cli")
	mine := strings.Replace(m.read(".cursor/mcp.json"), "{", "{ \"a\": 1,", 1)
	m.write(".cursor/mcp.json", mine)
	if _, _, err := m.Undo(t.Context()); !errors.Is(err, userfile.ErrChanged) || m.read(".cursor/mcp.json") != mine || m.read(".gemini/settings.json") == "(none)" {
		t.Errorf("a file that was changed: %v", err)
	}
	m.disconnect("cursor", "gemini-cli")
	if got := m.read(".cursor/mcp.json"); got != "{ \"a\": 1 }" && !strings.Contains(got, `"a": 1`) || strings.Contains(got, "keyfob") {
		t.Errorf("%s", got)
	}
}

func TestTakeBackIsOfOneChange(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	_, change, err := m.Connect(t.Context(), m.request(mcpclient.RungLiteral, "cursor"))
	must(t, err)
	m.connect(mcpclient.RungLiteral, "gemini-cli")
	if err := m.TakeBack(t.Context(), change); !errors.Is(err, ErrNothing) {
		t.Errorf("after another change: %v", err)
	}
	if m.read(".gemini/settings.json") == "(none)" {
		t.Error("another change was taken back")
	}
}

func TestPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(".cursor/mcp.json", "{\n  \"mcpServers\": {\"x\": {\"headers\": {\"Authorization\": \"Bearer 0123456789abcdefghijklmn\"}}}\n}\n")
	before := m.files()
	steps, err := m.Preview(t.Context(), m.request("", "cursor", "claude-code"))
	must(t, err)
	if fmt.Sprint(m.files()) != fmt.Sprint(before) {
		t.Error("a file was changed")
	}
	for _, s := range steps {
		if s.Outcome != Added || !strings.HasPrefix(s.Diff, "--- "+s.Path) {
			t.Errorf("%+v", s)
		}
		for _, bad := range []string{m.key.Reveal(), "0123456789abcdefghijklmn"} {
			if strings.Contains(s.Diff, bad) {
				t.Errorf("the diff shows a secret:\n%s", s.Diff)
			}
		}
	}
}

// TestTogether has eight connects write one file at once: all of them are in it, and nothing else was lost.
func TestTogether(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(".cursor/mcp.json", "{\n  // mine\n  \"mcpServers\": {\"x\": {\"command\": \"y\"}}\n}\n")
	before := m.read(".cursor/mcp.json")
	for range 5 {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				req := m.request(mcpclient.RungLiteral, "cursor")
				req.Name, req.Named = fmt.Sprintf("s%d", i), true
				if _, _, err := m.Connect(t.Context(), req); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		entries, err := edit.Entries(edit.JSONC, []byte(m.read(".cursor/mcp.json")), edit.Place{Path: []string{"mcpServers"}})
		must(t, err)
		if len(entries) != 9 {
			t.Fatalf("%d of 9 servers are left:\n%s", len(entries), m.read(".cursor/mcp.json"))
		}
		m.disconnect("cursor")
		if got := m.read(".cursor/mcp.json"); got != before {
			t.Fatalf("it is not what it was:\n%s", got)
		}
	}
}

func TestDrift(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	path := m.connect(mcpclient.RungLiteral, "cursor")[0].Path
	must(t, os.Chmod(path, 0o644))
	edited := strings.Replace(m.read(".cursor/mcp.json"), `"headers"`, `"disabled": true, "headers"`, 1)
	edited = strings.Replace(edited, `"keyfob"`, `"again": {"url": "`+serverURL+`", "headers": {"X-API-Key": "`+m.key.Reveal()+`"}}, "keyfob"`, 1)
	must(t, os.WriteFile(path, []byte(edited), 0o644))
	m.connect(mcpclient.RungHelper, "claude-code")
	m.Where.Exists = func(path string) bool { _, err := os.Stat(path); return err == nil } // keyfob is gone
	found, _ := m.Scan(mcpclient.Clients(), serverURL)
	got := map[string]string{}
	for _, s := range found {
		got[s.Client.ID+" "+s.Name] = strings.Join(s.Drift, "; ")
	}
	want := map[string]string{
		"claude-code keyfob": "the program " + keyfob + " is gone",
		"cursor again":       "not set up by keyfob here; the file with the key can be read by others",
		"cursor keyfob":      "edited by hand; the file with the key can be read by others; the same server as again",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if steps := m.disconnect("cursor"); len(steps) != 2 {
		t.Errorf("disconnect takes %+v", steps)
	}
}

// TestNothingLeaks holds that nothing that Keyfob keeps for itself can be read by others.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.connect(mcpclient.RungLiteral, "cursor", "gemini-cli")
	m.key = secret.New(secret.Key)
	m.connect(mcpclient.RungLiteral, "cursor", "gemini-cli") // the journal has the old key now
	must(t, filepath.Walk(m.Dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if err == nil && filepath.Base(path) == "connections.json" {
			data, readErr := os.ReadFile(path)
			must(t, readErr)
			if strings.Contains(string(data), "kf_") {
				t.Errorf("the list of connections has a key: %s", data)
			}
		}
		return err
	}))
}
