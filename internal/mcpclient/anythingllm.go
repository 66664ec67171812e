package mcpclient

func anythingLLM() Client {
	return Client{
		ID:    "anythingllm",
		Title: "AnythingLLM",
		Kind:  KindPaste,
		Facts: Facts{Checked: checked, Source: "add-mcp 2.4.0", Unsure: "not run; where the file lies depends on how it was installed"},
		facts: func() table {
			return table{
				forms: forms{RungLiteral: obj("type", "streamable", "url", theURL, "headers", auth(bearer))},
				steps: []string{"Open Agent Skills → MCP Servers and paste this beside what stands in its file."},
			}
		},
	}
}
