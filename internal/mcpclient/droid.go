package mcpclient

func droid() Client {
	return Client{
		ID:    "droid",
		Title: "Factory Droid",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "droid 0.225.2, run", Proven: "0.225.2, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"droid"},
				signs:    []paths{in("~/.factory")},
				files:    []file{userFile(in("~/.factory/mcp.json"), servers()), projectFile(".factory/mcp.json", servers())},
				forms:    droidForms(),
				engine: Engine{
					Program: "droid", Package: "@factory/cli",
					Check: &Check{argv: []string{"droid", "mcp", "list"}, line: []string{theName, "connected"}, Seconds: 10},
				},
				command: []string{"droid", "mcp", "add", theName, theURL, "--type", "http", "--header", "Authorization: " + bearer},
				note:    "Droid does not replace an entry: if it has " + theName + " already, run first: droid mcp remove " + theName,
			}
		},
	}
}

func droidForms() forms {
	f := typedForms("${" + theVar + "}")
	for rung := range f {
		f[rung] = append(f[rung], obj("disabled", false)...)
	}
	return f
}
