package mcpclient

func antigravity() Client {
	return Client{
		ID:    "antigravity",
		Title: "Antigravity",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "antigravity.google/docs/mcp, google-antigravity/antigravity-cli#233", Unsure: "not run"},
		facts: func() table {
			return table{
				programs: []string{"agy", "antigravity"},
				signs:    []paths{in("~/.gemini/config"), in("~/.gemini/antigravity")},
				files: []file{
					userFile(in("~/.gemini/config/mcp_config.json"), servers()),
					projectFile(".agents/mcp_config.json", servers()),
					left(userFile(in("~/.gemini/antigravity/mcp_config.json"), servers())),
				},
				forms: plainForms("serverUrl", ""), // it sends a reference to a variable as it is
				after: "Check it with /mcp.",
			}
		},
	}
}
