package clients_test

import (
	"strings"
	"testing"
)

// TestPrintedSetups runs what quickstart prints in a real shell and asks each client's own engine.
func TestPrintedSetups(t *testing.T) {
	t.Parallel()
	newEngine(t, "claude", "codex", "gemini") // skip before anything is built
	q := start(t)

	tests := []struct {
		client string
		text   string
		status func(engine, *testing.T, string) status
	}{
		{"claude", q.text(t, "claude-code"), engine.claudeStatus},
		{"codex", q.text(t, "codex"), engine.codexStatus},
		// Not among the setups; a third engine for the same endpoint and key.
		{
			"gemini",
			"gemini mcp add -t http -s user " + q.MCP.Name + " " + q.MCP.URL + " -H 'Authorization: Bearer " + q.Secret + "'",
			engine.geminiStatus,
		},
	}
	keys := []struct {
		name   string
		secret string
		want   status
	}{
		{"right key", q.Secret, connected},
		{"wrong key", wrong(q.Secret), refused},
	}
	for _, tt := range tests {
		for _, key := range keys {
			t.Run(tt.client+"/"+key.name, func(t *testing.T) {
				t.Parallel()
				if !strings.Contains(tt.text, q.Secret) {
					t.Fatal("the setup does not carry the key")
				}
				e := newEngine(t, tt.client)
				e.run(t, "sh", "-c", strings.ReplaceAll(tt.text, q.Secret, key.secret))
				if got := tt.status(e, t, q.MCP.Name); got != key.want {
					t.Errorf("%s says %q, want %q", tt.client, got, key.want)
				}
			})
		}
	}
}
