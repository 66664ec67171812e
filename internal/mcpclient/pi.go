package mcpclient

func pi() Client {
	return Client{
		ID:    "pi",
		Title: "Pi",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "add-mcp 2.4.0", Unsure: "not run"},
		facts: func() table {
			return table{
				programs: []string{"pi"},
				signs:    []paths{in("$PI_CODING_AGENT_DIR", "~/.pi/agent")},
				files:    []file{userFile(in("$PI_CODING_AGENT_DIR/mcp.json", "~/.pi/agent/mcp.json"), servers()), projectFile(".pi/mcp.json", servers())},
				forms:    plainForms("url", ""),
				after:    "Pi reads the file since 0.99; an older one needs pi-mcp-adapter.",
			}
		},
	}
}
