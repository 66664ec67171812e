package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func claudeCode() Client {
	return Client{
		ID:       "claude-code",
		Title:    "Claude Code",
		Kind:     KindCommand,
		Featured: true,
		Facts:    Facts{Checked: checked, Source: "claude 2.1.330, run", Proven: "2.1.197 and 2.1.330, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"claude"},
				signs:    []paths{in("$CLAUDE_CONFIG_DIR", "~/.claude"), in("~/.claude.json")},
				// It takes a comment for damage and starts over, so these are JSON without.
				files: []file{
					{scope: ScopeUser, at: in("$CLAUDE_CONFIG_DIR/.claude.json", "~/.claude.json"), format: edit.JSON, place: servers()},
					{scope: ScopeProject, at: in("./.mcp.json"), format: edit.JSON, place: servers()},
					// its scope "local", the default of `claude mcp add`: the person's, in one folder
					{
						scope: ScopeUser, at: in("$CLAUDE_CONFIG_DIR/.claude.json", "~/.claude.json"), format: edit.JSON, old: true, inner: true,
						place: place("projects", projectMark, "mcpServers"),
					},
				},
				forms:  claudeForms(),
				engine: claudeEngine(),
				command: []string{
					"claude", "mcp", "add",
					"--transport", "http", // without it the URL is stored as a command to run
					"--scope", "user", // the default holds for one directory only
					theName, theURL,
					"--header", "Authorization: " + bearer, // last: --header takes all words that follow
				},
				note:  "Claude Code does not replace an entry: if it has " + theName + " already, run first: claude mcp remove " + theName + " --scope user",
				after: "Start a new session. It asks to approve what stands in a project's .mcp.json.",
			}
		},
	}
}

func claudeForms() forms {
	f := typedForms("${" + theVar + "}")
	f[RungHelper] = obj("type", "http", "url", theURL, "headersHelper", theHelper)
	return f
}

func claudeEngine() Engine {
	return Engine{
		Program: "claude", Package: "@anthropic-ai/claude-code",
		VersionDirs: []string{"claude/versions"},
		Needs:       map[Rung]string{RungHelper: "2.1.197"}, // the oldest that was tried
		Check: &Check{
			argv: []string{"claude", "mcp", "get", theName},
			Env:  []string{"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1"},
			line: []string{"✔ Connected"}, Seconds: 20,
		},
	}
}
