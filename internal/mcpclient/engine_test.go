package mcpclient

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestConnected reads what the clients' own programs were seen to print.
func TestConnected(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		id, output string
		want       bool
	}{
		{"claude-code", "acme:\n  Scope: User config\n  Status: ✔ Connected\n  Type: http\n", true},
		{"claude-code", "acme:\n  Status: ✘ Failed to connect — Server rejected the configured Authorization header (HTTP 401)\n", false},
		{"claude-code", "acme:\n  Status: ! Needs authentication\n", false},
		{"claude-code", "acme:\n  Status: ⏸ Pending approval (run `claude` to approve)\n", false},
		{"gemini-cli", "Configured MCP servers:\n\n✓ acme: https://mcp.acme.dev/mcp (http) - Connected\n", true},
		{"gemini-cli", "\x1b[32m✓\x1b[0m acme: https://mcp.acme.dev/mcp (http) - \x1b[1;32mConnected\x1b[0m\n", true},
		{"gemini-cli", "✗ acme: https://mcp.acme.dev/mcp (http) - Disconnected\n✓ other: https://h (http) - Connected\n", false},
		{"gemini-cli", "✓ acme-2: https://mcp.acme.dev/mcp (http) - Connected\n", false},
		{"qwen-code", "✓ acme: https://mcp.acme.dev/mcp (http) - Connected\n", true},
		{"opencode", "┌  MCP Servers\n│\n●  ✓ acme \x1b[90mconnected\x1b[0m\n│      https://mcp.acme.dev/mcp\n", true},
		{"opencode", "●  ✗ acme failed\n", false},
		{"opencode", "●  ⚠ acme needs authentication\n", false},
		{"kilo", "●  ✓ acme connected\n", true},
		{"droid", "acme  http  connected  [user]\n", true},
		{"droid", "acme  http  disconnected  [user]\n", false},
		{"droid", "  acme  http  needs authentication  [user]\n", false},
		{"mcporter", "{\n  \"mode\": \"server\",\n  \"name\": \"acme\",\n  \"status\": \"ok\",\n", true},
		{"mcporter", "{\n  \"mode\": \"server\",\n  \"name\": \"acme\",\n  \"status\": \"auth\",\n", false},
		{"openclaw", "MCP doctor (/home/ada/.openclaw/openclaw.json):\n- acme: ok\n", true},
		{"openclaw", "MCP doctor (/home/ada/.openclaw/openclaw.json):\n- acme: issues\n  ! error: probe failed\n", false},
		{"codex", `{"id":1,"result":{}}` + "\n" + `{"id":2,"result":{"data":[{"name":"acme","serverInfo":{"name":"x"},"tools":{}}]}}` + "\n", true},
		{"codex", `{"id":2,"result":{"data":[{"name":"acme","serverInfo":null,"tools":{}}]}}`, false},
		{"codex", `{"id":2,"result":{"data":[{"name":"acme"}]}}`, false},
		{"codex", `{"id":2,"result":{"data":[{"name":"other","serverInfo":{}}]}}` + "\nnot JSON", false},
	} {
		check := known(t, tc.id).Engine().Check
		if got := check.Connected("acme", tc.output); got != tc.want {
			t.Errorf("%s: %v for\n%s", tc.id, got, tc.output)
		}
	}
	if got := known(t, "claude-code").Engine().Check.Argv("acme"); !slices.Equal(got, []string{"claude", "mcp", "get", "acme"}) {
		t.Errorf("argv %q", got)
	}
}

// A program that waits for more is through once it has listed the servers, whatever it says of them.
func TestAnswered(t *testing.T) {
	t.Parallel()
	codex, claude := known(t, "codex").Engine().Check, known(t, "claude-code").Engine().Check
	const first, failed = `{"id":1,"result":{}}` + "\n", `{"id":2,"result":{"data":[{"name":"acme","serverInfo":null}]}}`
	for output, want := range map[string]bool{
		"": false, first: false, first + failed: false, first + failed + "\n": true, first + `{"id":2,"result":{"data":[]}}` + "\n": true, "{}\n": false,
	} {
		if got := codex.Answered(output); got != want {
			t.Errorf("%v for %q", got, output)
		}
		if claude.Answered(output) {
			t.Errorf("%q of a program that ends by itself", output)
		}
	}
}

func TestHelperArgv(t *testing.T) {
	t.Parallel()
	env := func(name string) string {
		return map[string]string{"HOME": "/home/ada", "PATH": "/bin", "XDG_CONFIG_HOME": "/etc/ada"}[name]
	}
	argv := []string{"/opt/keyfob", "mcp", "headers"}
	codex := known(t, "codex").Engine()
	if got, want := codex.HelperArgv("linux", env, argv), []string{"/usr/bin/env", "-i", "HOME=/home/ada", "PATH=/bin", "/opt/keyfob", "mcp", "headers"}; !slices.Equal(got, want) {
		t.Errorf("codex: %q", got)
	}
	if got := codex.HelperArgv("windows", env, argv); !slices.Equal(got, argv) {
		t.Errorf("codex on Windows: %q", got)
	}
	if got := known(t, "claude-code").Engine().HelperArgv("linux", env, argv); !slices.Equal(got, argv) {
		t.Errorf("claude-code: %q", got)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"/usr/lib/node_modules/@openai/codex/package.json":                       `{"name":"@openai/codex","version":"0.169.0"}`,
		"/usr/lib/node_modules/@anthropic-ai/claude-code-linux-x64/package.json": `{"name":"@anthropic-ai/claude-code-linux-x64","version":"2.1.330"}`,
		"/usr/lib/package.json": `{"name":"another","version":"9.9.9"}`,
		"/usr/lib/node_modules/@google/gemini-cli/bundle/package.json":                        `{"type":"module"}`,
		"/usr/lib/node_modules/@google/gemini-cli/package.json":                               `{"name":"@google/gemini-cli","version":"0.61.0-nightly.1"}`,
		`C:\Users\Ada\AppData\Roaming\npm\node_modules\@openai\codex\package.json`:            `{"name":"@openai/codex","version":"0.140.0"}`,
		"/usr/lib/node_modules/broken/package.json":                                           `{"name":`,
		"/usr/lib/node_modules/@anthropic-ai/claude-code-linux-x64/node_modules/package.json": `{"name":"@anthropic-ai/claude-codex","version":"1"}`,
	}
	read := func(path string) ([]byte, error) {
		if !strings.HasSuffix(path, "package.json") {
			t.Errorf("asked for %s", path)
		}
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}
	for _, tc := range []struct{ id, resolved, want string }{
		{"codex", "/usr/lib/node_modules/@openai/codex/bin/codex.js", "0.169.0"},
		{"codex", "/opt/homebrew/Caskroom/codex/0.150.1/codex", "0.150.1"},
		{"codex", `C:\Users\Ada\AppData\Roaming\npm\node_modules\@openai\codex\bin\codex.js`, "0.140.0"},
		{"codex", "/usr/lib/node_modules/broken/bin/codex", ""},
		{"codex", "/usr/bin/codex", ""},
		{"codex", "codex", ""},
		{"claude-code", "/usr/lib/node_modules/@anthropic-ai/claude-code-linux-x64/claude", "2.1.330"},
		{"claude-code", "/home/ada/.local/share/claude/versions/2.1.197", "2.1.197"},
		{"claude-code", "/home/ada/.local/share/claude/versions/latest", ""},
		{"gemini-cli", "/usr/lib/node_modules/@google/gemini-cli/bundle/gemini.js", "0.61.0-nightly.1"},
		{"cursor", "/usr/bin/cursor", ""},
	} {
		got, ok := known(t, tc.id).Engine().Version(tc.resolved, read)
		if ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("%s at %s: %q, %v, want %q", tc.id, tc.resolved, got, ok, tc.want)
		}
	}
	codex := known(t, "codex").Engine()
	for version, has := range map[string]bool{"0.148.0": true, "0.169.0": true, "1.0.0": true, "0.147.9": false, "0.148.0-alpha.1": true, "": false, "x": false} {
		if codex.Has(RungHelper, version) != has || !codex.Has(RungLiteral, version) {
			t.Errorf("codex %q has a helper: %v", version, !has)
		}
	}
}

// TestVersionOfRealInstalls reads the versions of the programs that test/clients runs.
func TestVersionOfRealInstalls(t *testing.T) {
	t.Parallel()
	home, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	for id, install := range map[string]string{"codex": "codex@*/node_modules/.bin/codex", "gemini-cli": "gemini@*/node_modules/.bin/gemini", "claude-code": "claude@*/node_modules/@anthropic-ai/claude-code-*/claude"} {
		found, err := filepath.Glob(filepath.Join(home, "keyfob-test", install))
		if err != nil || len(found) == 0 {
			if os.Getenv("CI") == "true" {
				t.Errorf("%s is not installed", id)
			}
			t.Logf("%s is not installed", id)
			continue
		}
		resolved, err := filepath.EvalSymlinks(found[0])
		if err != nil {
			t.Fatal(err)
		}
		rest, _ := strings.CutPrefix(found[0], filepath.Join(home, "keyfob-test")+"/")
		folder, _, _ := strings.Cut(rest, "/")
		_, want, _ := strings.Cut(folder, "@")
		if got, ok := known(t, id).Engine().Version(resolved, os.ReadFile); !ok || got != want {
			t.Errorf("%s at %s: %q, %v, want %s", id, resolved, got, ok, want)
		}
	}
}

// TestTables holds what no type holds: holes that are filled, checks that can end, rungs that a client has.
func TestTables(t *testing.T) {
	t.Parallel()
	holes := []string{theName, theURL, theKey, theVar, theHelper, theCommand, theArgs, theArgv}
	for _, c := range Clients() {
		facts := c.facts()
		for rung, form := range facts.forms {
			for _, l := range leaves(form) {
				text, _ := l.value.(string)
				for _, hole := range holes {
					text = strings.ReplaceAll(text, hole, "")
				}
				if strings.ContainsAny(text, "<>") {
					t.Errorf("%s, %s: %v has no such hole", c.ID, rung, l.value)
				}
			}
		}
		for rung := range facts.engine.Needs {
			if facts.forms[rung] == nil {
				t.Errorf("%s needs a version for %s, which it has not", c.ID, rung)
			}
		}
		if check := facts.engine.Check; check != nil && (check.Seconds <= 0 || len(check.line) == 0 && check.reply == 0) {
			t.Errorf("%s: %+v", c.ID, check)
		}
		if (c.Kind == KindCommand) != (len(facts.command) > 0) && c.setup == nil {
			t.Errorf("%s: a %s with the command %q", c.ID, c.Kind, facts.command)
		}
	}
}
