package mcpclient

func kimi() Client {
	return Client{
		ID:    "kimi",
		Title: "Kimi Code",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "add-mcp 2.4.0", Unsure: "not run"},
		facts: func() table {
			return table{
				programs: []string{"kimi"},
				signs:    []paths{in("$KIMI_CODE_HOME", "~/.kimi-code")},
				files: []file{
					userFile(in("$KIMI_CODE_HOME/mcp.json", "~/.kimi-code/mcp.json"), servers()),
					projectFile(".kimi-code/mcp.json", servers()),
					left(userFile(in("~/.kimi/mcp.json"), servers())),
				},
				forms: kimiForms(),
				after: "A project's file counts once the project is trusted.",
			}
		},
	}
}

func kimiForms() forms {
	f := plainForms("url", "", "transport", "http")
	f[RungProxy] = append(obj("transport", "stdio"), stdio()...)
	return f
}
