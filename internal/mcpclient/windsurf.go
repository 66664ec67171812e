package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func windsurf() Client {
	return Client{
		ID:    "windsurf",
		Title: "Windsurf (Cascade)",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "https://docs.devin.ai/desktop/cascade/mcp", Unsure: "not run; sources differ on references to variables"},
		facts: func() table {
			return table{
				programs:  []string{"windsurf"},
				signs:     []paths{in("~/.codeium/windsurf"), {mac: []string{"/Applications/Windsurf.app"}}},
				desktop:   true,
				files:     []file{userFile(in("~/.codeium/windsurf/mcp_config.json"), servers()), left(userFile(in("~/.codeium/mcp_config.json"), servers()))},
				forms:     plainForms("serverUrl", "${env:"+theVar+"}"),
				alsoReads: []edit.Object{obj("url", theURL)}, // which does nothing
				after:     "Press Refresh in the MCP settings.",
			}
		},
	}
}
