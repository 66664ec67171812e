package mcpclient

import "github.com/keyfob/keyfob/internal/shellquote"

func codex() Client {
	return Client{
		ID:    "codex",
		Title: "Codex",
		Kind:  KindCommand,
		Facts: Facts{Checked: "2026-11-23", Source: "codex 0.169.0, run"},
		setup: func(s server) (Setup, error) {
			// There is no flag for a header, and --bearer-token-env-var does not reach launches from a desktop.
			return s.command([]string{"codex", "mcp", "add", s.name, "--url", s.keyURL()}, shellquote.Any,
				"codex has no flag for a header, so the key stands in the URL and in ~/.codex/config.toml; --apply will keep it out of the URL")
		},
	}
}
