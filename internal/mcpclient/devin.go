package mcpclient

func devin() Client {
	return Client{
		ID:    "devin",
		Title: "Devin Desktop",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "docs.sevalla.com and vaadin.com", Unsure: "not run; whether Cascade reads this file (connect windsurf as well), and references to variables"},
		facts: func() table {
			return table{
				signs:   []paths{inAppData("devin")},
				desktop: true,
				files:   []file{userFile(paths{all: []string{"~/.config/devin/mcp_config.json"}, windows: []string{"$APPDATA/devin/mcp_config.json"}}, servers()), projectFile(".devin/mcp_config.json", servers())},
				forms:   plainForms("url", ""),
				after:   "Press Refresh in the MCP settings.",
			}
		},
	}
}
