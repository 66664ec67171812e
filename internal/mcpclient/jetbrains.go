package mcpclient

func jetBrains() Client {
	return Client{
		ID:    "jetbrains",
		Title: "JetBrains AI Assistant",
		Kind:  KindPaste,
		Facts: Facts{Checked: checked, Source: "gleanwork/mcp-config-schema", Unsure: "not run; it keeps servers in a file of its own form for each version"},
		facts: func() table {
			return table{
				forms: forms{RungLiteral: obj("type", "http", "url", theURL, "headers", auth(bearer))},
				steps: []string{
					"Open Settings → Tools → AI Assistant → Model Context Protocol (MCP), choose Add and then As JSON.",
					"Paste this, choose OK and Apply.",
				},
			}
		},
	}
}
