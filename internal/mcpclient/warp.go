package mcpclient

func warp() Client {
	return Client{
		ID:    "warp",
		Title: "Warp",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "source of warpdotdev/warp of August 2026", Unsure: "not run"},
		facts: func() table {
			return table{
				programs: []string{"warp-terminal", "warp"},
				signs:    []paths{in("~/.warp"), {mac: []string{"/Applications/Warp.app"}}},
				desktop:  true,
				files:    []file{userFile(in("~/.warp/.mcp.json"), servers()), projectFile(".warp/.mcp.json", servers())},
				forms:    plainForms("url", "${"+theVar+"}"),
				after:    "Warp sees the change at once; a project's file has to be approved in each session. It reads Claude Code's and Codex's files as well.",
			}
		},
	}
}
