package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func openCode() Client {
	return Client{
		ID:    "opencode",
		Title: "opencode",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "opencode 1.18.33, run", Proven: "1.18.33, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"opencode"},
				signs:    []paths{inConfig("opencode")},
				files: []file{
					userFile(inConfig("opencode/opencode.jsonc"), place("mcp")), userFile(inConfig("opencode/opencode.json"), place("mcp")),
					projectFile("opencode.jsonc", place("mcp")), projectFile("opencode.json", place("mcp")),
					projectFile(".opencode/opencode.jsonc", place("mcp")), projectFile(".opencode/opencode.json", place("mcp")),
					// a newer map beside the one that works everywhere
					left(userFile(inConfig("opencode/opencode.jsonc"), place("mcp", "servers"))), left(userFile(inConfig("opencode/opencode.json"), place("mcp", "servers"))),
				},
				forms: openCodeForms(),
				engine: Engine{
					Program: "opencode", Package: "opencode-ai", VersionDirs: []string{"Cellar/opencode"},
					Check: &Check{argv: []string{"opencode", "mcp", "list"}, line: []string{"✓ " + theName, "connected"}, Seconds: 50},
				},
				command: []string{"opencode", "mcp", "add", theName, "--url", theURL, "--header", "Authorization=" + bearer},
			}
		},
	}
}

// openCodeForms turn OAuth off: with it, a wrong key makes opencode register itself with the key attached.
func openCodeForms() forms {
	remote := func(value string) edit.Object {
		return obj("type", "remote", "url", theURL, "oauth", false, "headers", auth(value), "enabled", true)
	}
	return forms{
		RungEnv:     remote("Bearer {env:" + theVar + "}"),
		RungProxy:   obj("type", "local", "command", theArgv, "enabled", true),
		RungLiteral: remote(bearer),
	}
}
