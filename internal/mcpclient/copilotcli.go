package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func copilotCLI() Client {
	return Client{
		ID:    "copilot-cli",
		Title: "GitHub Copilot CLI",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "copilot 1.0.102, run", Proven: "1.0.102, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"copilot"},
				signs:    []paths{in("$COPILOT_HOME", "~/.copilot")},
				files: []file{
					{scope: ScopeUser, at: in("$COPILOT_HOME/mcp-config.json", "~/.copilot/mcp-config.json"), format: edit.JSON, place: servers()},
					// The first hides the second, and Claude Code reads it as well.
					{scope: ScopeProject, at: in("./.mcp.json"), format: edit.JSON, place: servers()},
					{scope: ScopeProject, at: in("./.github/mcp.json"), format: edit.JSON, place: servers()},
				},
				forms:   copilotForms(),
				keeps:   []string{"tools"},
				engine:  Engine{Program: "copilot", Package: "@github/copilot"},
				command: []string{"copilot", "mcp", "add", "--transport", "http", theName, theURL, "--header", "Authorization: " + bearer},
				note:    "Copilot CLI does not replace an entry: if it has " + theName + " already, run first: copilot mcp remove " + theName,
				after:   "A project's file counts in a trusted folder only.",
			}
		},
	}
}

// copilotForms name the tools that may be used: all.
func copilotForms() forms {
	f := plainForms("url", "${"+theVar+"}", "tools", []any{"*"}, "type", "http")
	f[RungProxy] = append(obj("tools", []any{"*"}, "type", "local"), stdio()...)
	return f
}
