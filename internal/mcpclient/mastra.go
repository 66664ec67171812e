package mcpclient

func mastra() Client {
	return Client{
		ID:    "mastra",
		Title: "Mastra Code",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "add-mcp 2.4.0", Unsure: "not run; references to variables"},
		facts: func() table {
			return table{
				programs: []string{"mastracode"},
				signs:    []paths{in("~/.mastracode")},
				files:    []file{userFile(in("~/.mastracode/mcp.json"), servers()), projectFile(".mastracode/mcp.json", servers())},
				forms:    plainForms("url", ""),
			}
		},
	}
}
