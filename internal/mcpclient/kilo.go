package mcpclient

func kilo() Client {
	return Client{
		ID:    "kilo",
		Title: "Kilo Code",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "kilo 7.7.9, run", Proven: "7.7.9, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"kilo"},
				signs:    []paths{inConfig("kilo"), inAppData("Code/User/globalStorage/kilocode.kilo-code")},
				files: []file{
					userFile(inConfig("kilo/kilo.jsonc"), place("mcp")), userFile(inConfig("kilo/kilo.json"), place("mcp")),
					projectFile("kilo.jsonc", place("mcp")), projectFile("kilo.json", place("mcp")),
					projectFile(".kilo/kilo.jsonc", place("mcp")), projectFile(".kilo/kilo.json", place("mcp")),
				},
				forms:        openCodeForms(),
				notInProject: []Rung{RungEnv}, // the whole file would be ignored
				engine: Engine{
					Program: "kilo", Package: "@kilocode/cli",
					Check: &Check{argv: []string{"kilo", "mcp", "list"}, line: []string{"✓ " + theName, "connected"}, Seconds: 80},
				},
				command: []string{"kilo", "mcp", "add", theName, "--url", theURL, "--header", "Authorization=" + bearer},
			}
		},
	}
}
