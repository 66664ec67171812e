package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func codex() Client {
	return Client{
		ID:       "codex",
		Title:    "Codex",
		Kind:     KindCommand,
		Featured: true,
		Facts:    Facts{Checked: checked, Source: "codex 0.169.0, run", Unsure: "which shell runs a header helper on Windows", Proven: "0.169.0, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"codex"},
				signs:    []paths{in("$CODEX_HOME", "~/.codex")},
				files: []file{
					{scope: ScopeUser, at: in("$CODEX_HOME/config.toml", "~/.codex/config.toml"), format: edit.TOML, place: place("mcp_servers")},
					{scope: ScopeProject, at: in("./.codex/config.toml"), format: edit.TOML, place: place("mcp_servers")},
				},
				forms:     codexForms(),
				alsoReads: []edit.Object{obj("env_http_headers", obj("Authorization", theVar, otherHeader, theVar)), obj("bearer_token", theKey)},
				engine: Engine{
					Program: "codex", Package: "@openai/codex", VersionDirs: []string{"Caskroom/codex"},
					HelperEnv: []string{"HOME", "LANG", "PATH"},       // openai/codex#46244
					Needs:     map[Rung]string{RungHelper: "0.148.0"}, // an older one ignores the field and sends no header
					Check: &Check{
						argv: []string{"codex", "app-server"},
						Stdin: `{"id":1,"method":"initialize","params":{"clientInfo":{"name":"keyfob","version":"0"}}}` + "\n" +
							`{"method":"initialized"}` + "\n" + `{"id":2,"method":"mcpServerStatus/list","params":{}}` + "\n",
						reply: 2, Seconds: 10,
					},
				},
				// There is no flag for a header, and --bearer-token-env-var does not reach launches from a desktop.
				command: []string{"codex", "mcp", "add", theName, "--url", theKeyURL},
				note:    "codex has no flag for a header, so the key stands in the URL and in ~/.codex/config.toml; --apply keeps it out of both",
				after:   "Start a new session; the ChatGPT desktop app and the IDE extension read the same file. A project's file counts once the project is trusted.",
			}
		},
	}
}

// codexForms have no type and no ${VAR}: Codex ignores the one and sends the other as it is. A header of another name than
// Authorization counts as no credential.
func codexForms() forms {
	return forms{
		RungHelper:  obj("url", theURL, "http_headers_helper", theHelper),
		RungEnv:     obj("url", theURL, "bearer_token_env_var", theVar),
		RungProxy:   stdio(),
		RungLiteral: obj("url", theURL, "http_headers", auth(bearer)),
	}
}
