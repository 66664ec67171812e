package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func xcodeCodex() Client {
	return Client{
		ID:    "xcode-codex",
		Title: "Codex in Xcode",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "github/github-mcp-server", Unsure: "not run; Xcode 26.3 or later, and the version of the agent in it"},
		facts: func() table {
			return table{
				signs: []paths{{mac: []string{xcodeFolder + "codex"}}},
				files: []file{{scope: ScopeUser, at: paths{mac: []string{xcodeFolder + "codex/config.toml"}}, format: edit.TOML, place: place("mcp_servers")}},
				forms: codexForms(),
				after: "Start a new conversation in Xcode. Its PATH is short.",
			}
		},
	}
}
