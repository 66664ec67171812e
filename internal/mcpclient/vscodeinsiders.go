package mcpclient

func vsCodeInsiders() Client {
	return Client{
		ID:    "vscode-insiders",
		Title: "Visual Studio Code Insiders",
		Kind:  KindCommand,
		Link:  "vscode-insiders:mcp/install",
		Facts: Facts{Checked: checked, Source: vsCodeSource, Unsure: "read from the stable build; the Insiders build itself was not looked at"},
		facts: func() table {
			return vsCodeTable("code-insiders", "Code - Insiders", "/Applications/Visual Studio Code - Insiders.app", ".vscode-server-insiders")
		},
		setup: func(s server) (Setup, error) { return s.vsCodeSetup("code-insiders", "vscode-insiders") },
	}
}
