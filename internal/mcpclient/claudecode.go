package mcpclient

import "github.com/keyfob/keyfob/internal/shellquote"

func claudeCode() Client {
	return Client{
		ID:    "claude-code",
		Title: "Claude Code",
		Kind:  KindCommand,
		Facts: Facts{Checked: "2026-11-23", Source: "claude 2.1.330, run"},
		setup: func(s server) (Setup, error) {
			return s.command([]string{
				"claude", "mcp", "add",
				"--transport", "http", // without it the URL is stored as a command to run
				"--scope", "user", // the default holds for one directory only
				s.name, s.url.String(),
				"--header", "Authorization: " + s.bearer(), // last: --header takes all words that follow
			}, shellquote.Any, "Claude Code does not replace an entry: if it has "+s.name+" already, run first: claude mcp remove "+s.name+" --scope user")
		},
	}
}
