package clients_test

import (
	"os"
	"path/filepath"
	"testing"
)

// proof is a client that is proven by its own engine, and what that takes beside its facts in internal/mcpclient.
type proof struct {
	program string            // name in clients.json
	client  string            // id in internal/mcpclient
	agent   string            // how its requests begin to name it
	held    map[string]string // what a person has in its files already, by path below the home
	// warm is a command that has the client write to its files what it writes anyway; nil: it writes nothing.
	warm []string
	// talk has the client talk to a model, for one that can't be asked otherwise; nil: it can.
	talk func(*testing.T, *engine, *model)
	// loosens says that the client writes its file again for all to read.
	loosens bool
}

// What a person has: a setting, a comment where the client takes one, and another server.
const (
	heldJSON  = `{"theme": "dark","mcpServers":{"other":{"type":"stdio","command":"true","args":[]}}}`
	heldJSONC = "{\n  // mine\n\t\"mcpServers\": { \"other\": { \"command\": \"true\", \"args\": [] } }, // keep\n  \"ui\": { \"theme\": \"ANSI\" }\n}\n"
	heldMap   = "{\n  // mine\n  \"$schema\": \"https://%s/config.json\",\n  \"autoupdate\": false,\n  \"mcp\": { \"other\": { \"type\": \"local\", \"command\": [\"true\"], \"enabled\": false } },\n}\n"
	heldTOML  = "# mine\nmodel = \"gpt-5\"   # keep\n\n[mcp_servers.other]\ncommand = \"true\"\nenabled = false\n"
	heldYAML  = "# mine\nname: Mine\nversion: 1.0.0\nschema: v1\nmodels:\n  - name: dummy # keep\n    provider: openai\n    model: dummy\n    apiBase: MODEL\n    apiKey: dummy\n    roles: [chat]\n"
)

func proofs() []proof {
	claude := proof{
		program: "claude", client: "claude-code", agent: "claude-code/", held: map[string]string{".claude.json": heldJSON},
		warm: []string{"claude", "mcp", "get", "other"},
	}
	old := claude
	old.program = "claude-old"
	return []proof{
		claude,
		{program: "codex", client: "codex", agent: "codex-mcp-client/", held: map[string]string{".codex/config.toml": heldTOML}},
		{program: "gemini", client: "gemini-cli", agent: "node", held: map[string]string{".gemini/settings.json": heldJSONC}},
		{
			program: "opencode", client: "opencode", agent: "opencode/", held: map[string]string{".config/opencode/opencode.jsonc": heldMap},
			warm: []string{"opencode", "mcp", "list"},
		},
		{program: "copilot", client: "copilot-cli", agent: "copilot-cli/", held: map[string]string{".copilot/mcp-config.json": `{"mcpServers":{}}`}, talk: talkCopilot},

		old,
		{
			program: "kilo", client: "kilo", agent: "kilo/", held: map[string]string{".config/kilo/kilo.jsonc": heldMap},
			warm: []string{"kilo", "mcp", "list"},
		},
		{
			program: "qwen", client: "qwen-code", agent: "undici", held: map[string]string{".qwen/settings.json": heldJSONC}, loosens: true,
		},
		{program: "droid", client: "droid", agent: "Bun/", held: map[string]string{".factory/mcp.json": heldJSONC}, warm: []string{"droid", "mcp", "list"}},
		{
			program: "cline", client: "cline", agent: "Bun/", held: map[string]string{".cline/data/settings/cline_mcp_settings.json": `{"mcpServers":{}}`},
			talk: talkCline, loosens: true,
		},
		{program: "cn", client: "continue", agent: "node", held: map[string]string{".continue/config.yaml": heldYAML}, talk: talkContinue},
		{program: "mcporter", client: "mcporter", agent: "node", held: map[string]string{".mcporter/mcporter.json": heldJSONC}},
		{program: "openclaw", client: "openclaw", agent: "undici", held: map[string]string{".openclaw/openclaw.json": "{\n  // mine\n  \"mcp\": { \"servers\": {} },\n}\n"}},
	}
}

// The exit codes of what follows say nothing of the server: the model does, by the tools that it was offered.

func talkCopilot(t *testing.T, e *engine, m *model) {
	t.Helper()
	// Here it keeps the tools of an earlier run, which it offers whatever the server says now.
	if err := os.RemoveAll(filepath.Join(e.home, ".cache/copilot/mcp-tools")); err != nil {
		t.Fatal(err)
	}
	out, err := e.try(t, "env", "COPILOT_OFFLINE=true", "COPILOT_PROVIDER_TYPE=openai", "COPILOT_PROVIDER_BASE_URL="+m.url,
		"COPILOT_MODEL=dummy", "COPILOT_PROVIDER_MODEL_ID=dummy", "copilot", "-p", "say ok", "--allow-all-tools")
	t.Logf("copilot: %v\n%s", err, out)
}

func talkCline(t *testing.T, e *engine, m *model) {
	t.Helper()
	e.run(t, "cline", "auth", "-p", "openai-compatible", "-k", "dummy", "-m", "dummy", "-b", m.url)
	out, err := e.try(t, "cline", "-P", "openai-compatible", "-m", "dummy", "--auto-approve", "true", "say ok")
	t.Logf("cline: %v\n%s", err, out)
	e.reap(t) // the daemon that it leaves
}

func talkContinue(t *testing.T, e *engine, _ *model) {
	t.Helper()
	out, err := e.try(t, "cn", "-p", "say ok")
	t.Logf("cn: %v\n%s", err, out)
}
