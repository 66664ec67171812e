package mcpclient

import (
	"slices"
	"testing"
)

func known(tb testing.TB, id string) Client {
	tb.Helper()
	c, ok := Lookup(id)
	if !ok {
		tb.Fatalf("no client %s", id)
	}
	return c
}

func pathsOf(targets []Target) []string {
	var out []string
	for _, t := range targets {
		out = append(out, t.Path)
	}
	return out
}

// TestVariablesMoveFiles holds each variable that moves a client's file to where it moves it.
func TestVariablesMoveFiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ id, goos, name, value, want string }{
		{"claude-code", "linux", "CLAUDE_CONFIG_DIR", "/etc/claude", "/etc/claude/.claude.json"},
		{"claude-code", "windows", "CLAUDE_CONFIG_DIR", `E:\claude\`, `E:\claude\.claude.json`},
		{"codex", "darwin", "CODEX_HOME", "/x/codex", "/x/codex/config.toml"},
		{"vscode", "linux", "XDG_CONFIG_HOME", "/x", "/x/Code/User/mcp.json"},
		{"vscode", "darwin", "XDG_CONFIG_HOME", "/x", "/Users/ada/Library/Application Support/Code/User/mcp.json"},
		{"vscode-insiders", "windows", "APPDATA", `E:\R`, `E:\R\Code - Insiders\User\mcp.json`},
		{"vscode", "windows", "APPDATA", "", `C:\Users\Ada\AppData\Roaming\Code\User\mcp.json`},
		{"opencode", "darwin", "XDG_CONFIG_HOME", "/x", "/x/opencode/opencode.jsonc"},
		{"kilo", "linux", "XDG_CONFIG_HOME", "/x", "/x/kilo/kilo.jsonc"},
		{"copilot-cli", "linux", "COPILOT_HOME", "/x", "/x/mcp-config.json"},
		{"cline", "linux", "CLINE_MCP_SETTINGS_PATH", "/x/c.json", "/x/c.json"},
		{"cline", "linux", "CLINE_DATA_DIR", "/x", "/x/settings/cline_mcp_settings.json"},
		{"cline", "linux", "CLINE_DIR", "/x", "/x/data/settings/cline_mcp_settings.json"},
		{"kimi", "linux", "KIMI_CODE_HOME", "/x", "/x/mcp.json"},
		{"grok", "linux", "GROK_HOME", "/x", "/x/config.toml"},
		{"hermes", "linux", "HERMES_HOME", "/x", "/x/config.yaml"},
		{"pi", "linux", "PI_CODING_AGENT_DIR", "/x", "/x/mcp.json"},
		{"zed", "linux", "FLATPAK_XDG_CONFIG_HOME", "/x", "/x/zed/settings.json"},
		{"zed", "darwin", "XDG_CONFIG_HOME", "/x", "/Users/ada/.config/zed/settings.json"},
		{"mcporter", "linux", "XDG_CONFIG_HOME", "/x", "/x/mcporter/mcporter.json"},
		{"goose", "windows", "APPDATA", `E:\R`, `E:\R\Block\goose\config\config.yaml`},
		// A relative one is ignored, an empty one is none.
		{"codex", "linux", "CODEX_HOME", "codex", "/home/ada/.codex/config.toml"},
		{"codex", "linux", "CODEX_HOME", "", "/home/ada/.codex/config.toml"},
	} {
		w := machine(tc.goos, map[string]string{tc.name: tc.value})
		if got := known(t, tc.id).Targets(w, ScopeUser); len(got) == 0 || got[0].Path != tc.want {
			t.Errorf("%s on %s with %s=%s: %q, want %s", tc.id, tc.goos, tc.name, tc.value, pathsOf(got), tc.want)
		}
	}
	// What a variable hides may still hold a key.
	w := machine("linux", map[string]string{"CODEX_HOME": "/x"})
	want := []string{"/x/config.toml", "/home/ada/.codex/config.toml", "/src/app/.codex/config.toml"}
	if got := pathsOf(known(t, "codex").Known(w)); !slices.Equal(got, want) {
		t.Errorf("known %q, want %q", got, want)
	}
}

func TestTargetsPreferWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		id    string
		exist []string
		want  string
	}{
		{"opencode", nil, "/home/ada/.config/opencode/opencode.jsonc"},
		{"opencode", []string{"/home/ada/.config/opencode/opencode.json"}, "/home/ada/.config/opencode/opencode.json"},
		{"vscode", []string{"/home/ada/.vscode-server/data/User"}, "/home/ada/.vscode-server/data/User/mcp.json"},
		{"vscode", []string{"/home/ada/.config/Code/User", "/home/ada/.vscode-server/data/User"}, "/home/ada/.config/Code/User/mcp.json"},
		{"zed", []string{"/home/ada/.var/app/dev.zed.Zed/config/zed/settings.json"}, "/home/ada/.var/app/dev.zed.Zed/config/zed/settings.json"},
	} {
		if got := known(t, tc.id).Targets(machine("linux", nil, tc.exist...), ScopeUser); got[0].Path != tc.want {
			t.Errorf("%s with %q: %q, want %s first", tc.id, tc.exist, pathsOf(got), tc.want)
		}
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		id, goos string
		scope    Scope
	}{
		{"chatgpt", "linux", ScopeUser}, {"claude-desktop", "linux", ScopeProject}, {"visual-studio", "darwin", ScopeUser}, {"xcode-codex", "linux", ScopeUser},
	} {
		if got := known(t, tc.id).Targets(machine(tc.goos, nil), tc.scope); len(got) != 0 {
			t.Errorf("%s on %s: %q", tc.id, tc.goos, pathsOf(got))
		}
	}
	for _, c := range Clients() {
		w := machine("linux", map[string]string{"HOME": ""})
		w.Dir = ""
		if got := c.Known(w); len(got) != 0 {
			t.Errorf("%s without a home and a project: %q", c.ID, pathsOf(got))
		}
	}
}

func TestLocalScopeOfClaudeCode(t *testing.T) {
	t.Parallel()
	for _, target := range known(t, "claude-code").Known(machine("linux", nil)) {
		if target.Old && slices.Equal(target.Place.Path, []string{"projects", "/src/app", "mcpServers"}) {
			return
		}
	}
	t.Error("the entries of one folder in ~/.claude.json are not known")
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		id, goos string
		exist    []string
		how      string
	}{
		{"claude-code", "linux", []string{"PATH/claude", "/home/ada/.claude"}, "claude on PATH"},
		{"claude-code", "linux", []string{"/home/ada/.claude.json"}, "~/.claude.json exists"},
		{"cursor", "linux", []string{"/home/ada/.cursor"}, "~/.cursor exists"},
		{"cursor", "darwin", []string{"/Applications/Cursor.app"}, "/Applications/Cursor.app exists"},
		{"cursor", "windows", []string{`C:\Users\Ada\AppData\Local\Programs\cursor`}, `~\AppData\Local\Programs\cursor exists`},
		{"cursor", "linux", []string{"/Applications/Cursor.app"}, ""},
		{"chatgpt", "linux", nil, ""},
	} {
		how, found := known(t, tc.id).Detect(machine(tc.goos, nil, tc.exist...))
		if how != tc.how || found != (tc.how != "") {
			t.Errorf("%s on %s with %q: %q, %v, want %q", tc.id, tc.goos, tc.exist, how, found, tc.how)
		}
	}
}

func TestWindowsSideOfWSL(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"WSL_DISTRO_NAME": "Debian",
		"PATH":            "/usr/bin:/mnt/c/Windows:/mnt/c/Users/Ada/AppData/Local/Microsoft/WindowsApps",
	}
	w := machine("linux", env, "/mnt/c/Users/Ada/AppData/Roaming/Code/User", "/mnt/c/Users/Ada/.cursor")
	code := known(t, "vscode")
	got := code.Targets(w, ScopeUser)
	want := []string{
		"/mnt/c/Users/Ada/AppData/Roaming/Code/User/mcp.json", "/home/ada/.config/Code/User/mcp.json", "/home/ada/.vscode-server/data/User/mcp.json",
	}
	if !slices.Equal(pathsOf(got), want) || !got[0].Foreign || got[1].Foreign {
		t.Errorf("got %+v, want %q with the first foreign", got, want)
	}
	for rung, a := range auths(t, true) {
		_, _, err := code.Entry(got[0], params(t), a)
		if refused := err != nil; refused != (rung == RungHelper || rung == RungProxy) {
			t.Errorf("%s on the other side: %v", rung, err)
		}
	}
	if how, ok := known(t, "cursor").Detect(w); !ok || how != "/mnt/c/Users/Ada/.cursor exists" {
		t.Errorf("cursor: %q, %v", how, ok)
	}
	// A program without windows is this side's alone.
	if got := pathsOf(known(t, "codex").Known(w)); slices.ContainsFunc(got, func(p string) bool { return p[:5] == "/mnt/" }) {
		t.Errorf("codex: %q", got)
	}
	env["WSL_DISTRO_NAME"] = ""
	if got := code.Targets(machine("linux", env), ScopeUser); len(got) != 2 {
		t.Errorf("outside WSL: %q", pathsOf(got))
	}
}
