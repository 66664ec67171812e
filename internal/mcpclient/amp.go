package mcpclient

func amp() Client {
	return Client{
		ID:    "amp",
		Title: "Amp",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "amp 0.0.1790142911, its files; not connected", Unsure: "references to variables, and its folder on Windows; connecting needs a login"},
		facts: func() table {
			return table{
				programs: []string{"amp"},
				signs:    []paths{in("~/.config/amp")},
				files:    []file{userFile(in("~/.config/amp/settings.json"), place("amp.mcpServers")), projectFile(".amp/settings.json", place("amp.mcpServers"))},
				forms:    plainForms("url", "${"+theVar+"}"),
				engine:   Engine{Program: "amp", Package: "@ampcode/cli"},
				command:  []string{"amp", "mcp", "add", theName, "--header", "Authorization=" + bearer, theURL},
				note:     "Amp does not replace an entry: if it has " + theName + " already, run first: amp mcp remove " + theName,
				after:    "What stands in a project's file has to be approved: amp mcp approve NAME.",
			}
		},
	}
}
