package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func xcodeClaude() Client {
	return Client{
		ID:    "xcode-claude",
		Title: "Claude Agent in Xcode",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "github/github-mcp-server", Unsure: "not run; Xcode 26.3 or later, and the version of the agent in it"},
		facts: func() table {
			return table{
				signs: []paths{{mac: []string{xcodeFolder + "ClaudeAgentConfig"}}},
				files: []file{{scope: ScopeUser, at: paths{mac: []string{xcodeFolder + "ClaudeAgentConfig/.claude.json"}}, format: edit.JSON, place: servers()}},
				forms: claudeForms(),
				after: "Start a new conversation in Xcode. Its PATH is short.",
			}
		},
	}
}

const xcodeFolder = "~/Library/Developer/Xcode/CodingAssistant/"
