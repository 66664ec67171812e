package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func gemini() Client {
	return Client{
		ID:    "gemini-cli",
		Title: "Gemini CLI",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "gemini 0.61.0, run", Proven: "0.61.0, 2026-11-25"},
		facts: func() table {
			return table{
				programs:  []string{"gemini"},
				signs:     []paths{in("~/.gemini/settings.json")},
				files:     []file{userFile(in("~/.gemini/settings.json"), servers()), projectFile(".gemini/settings.json", servers())},
				forms:     geminiForms(),
				alsoReads: []edit.Object{obj("httpUrl", theURL)},
				engine: Engine{
					Program: "gemini", Package: "@google/gemini-cli", VersionDirs: []string{"Cellar/gemini-cli"},
					Check: &Check{
						argv: []string{"gemini", "mcp", "list"}, Env: []string{"GEMINI_CLI_TRUST_WORKSPACE=true"}, // else all are disabled in an unknown folder
						line: []string{"✓ " + theName, "Connected"}, Seconds: 25,
					},
				},
				command: []string{
					"gemini", "mcp", "add",
					"--transport", "http", // without it the URL is stored as a command to run
					"--scope", "user", // the default is the project
					theName, theURL, "--header", "Authorization: " + bearer,
				},
				after: "In a folder that is not trusted Gemini CLI shows every server as disabled.",
			}
		},
	}
}

// geminiForms write the URL before its type, as `gemini mcp add` does.
func geminiForms() forms {
	remote := func(value string) edit.Object { return obj("url", theURL, "type", "http", "headers", auth(value)) }
	return forms{RungEnv: remote("Bearer ${" + theVar + "}"), RungProxy: stdio(), RungLiteral: remote(bearer)}
}
