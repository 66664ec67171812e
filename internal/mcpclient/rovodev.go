package mcpclient

func rovoDev() Client {
	return Client{
		ID:    "rovo-dev",
		Title: "Rovo Dev",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "support.atlassian.com: connect to an MCP server in Rovo Dev CLI", Unsure: "not run; mcpConfigPath in its config.yml can name another file"},
		facts: func() table {
			return table{
				signs: []paths{in("~/.rovodev")},
				files: []file{userFile(in("~/.rovodev/mcp.json"), servers())},
				forms: plainForms("url", ""),
				after: "acli rovodev mcp opens the file; /mcp in a session shows the connection.",
			}
		},
	}
}
