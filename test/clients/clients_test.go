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
		program, client string
		text            string
	}{
		{"claude", "claude-code", q.text(t, "claude-code")},
		{"codex", "codex", q.text(t, "codex")},
		// Not among the setups; a third engine for the same endpoint and key.
		{
			"gemini", "gemini-cli",
			"gemini mcp add -t http -s user " + q.MCP.Name + " " + q.MCP.URL + " -H 'Authorization: Bearer " + q.Secret + "'",
		},
	}
	keys := []struct {
		name   string
		secret string
		want   bool
	}{
		{"right key", q.Secret, true},
		{"wrong key", wrong(q.Secret), false},
	}
	for _, tt := range tests {
		for _, key := range keys {
			t.Run(tt.program+"/"+key.name, func(t *testing.T) {
				t.Parallel()
				if !strings.Contains(tt.text, q.Secret) {
					t.Fatal("the setup does not carry the key")
				}
				e := newEngine(t, tt.program)
				e.run(t, "sh", "-c", strings.ReplaceAll(tt.text, q.Secret, key.secret))
				if got := e.says(t, tt.client, q.MCP.Name); got != key.want {
					t.Errorf("%s says connected: %v, want %v", tt.program, got, key.want)
				}
			})
		}
	}
}
