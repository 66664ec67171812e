package mcpclient

func junie() Client {
	return Client{
		ID:    "junie",
		Title: "Junie",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "junie.jetbrains.com", Unsure: "not run; older plugins of the IDE take stdio only"},
		facts: func() table {
			return table{
				programs: []string{"junie"},
				signs:    []paths{in("~/.junie")},
				files:    []file{userFile(in("~/.junie/mcp/mcp.json"), servers()), projectFile(".junie/mcp/mcp.json", servers())},
				forms:    plainForms("url", ""),
			}
		},
	}
}
