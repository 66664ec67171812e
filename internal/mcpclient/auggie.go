package mcpclient

func auggie() Client {
	return Client{
		ID:    "auggie",
		Title: "Auggie",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "auggie 0.36.0, its files; not connected", Unsure: "whether it knows references to variables; connecting needs a login"},
		facts: func() table {
			return table{
				programs: []string{"auggie"},
				signs:    []paths{in("~/.augment")},
				files:    []file{userFile(in("~/.augment/settings.json"), servers())},
				forms:    plainForms("url", "", "type", "http"),
				engine:   Engine{Program: "auggie", Package: "@augmentcode/auggie"},
				command:  []string{"auggie", "mcp", "add", theName, "--transport", "http", "--url", theURL, "--header", "Authorization: " + bearer, "--replace"},
			}
		},
	}
}
