package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func hermes() Client {
	return Client{
		ID:    "hermes",
		Title: "Hermes",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "skillshare and add-mcp 2.4.0", Unsure: "not run; sources differ on references to variables"},
		facts: func() table {
			return table{
				programs: []string{"hermes"},
				signs:    []paths{in("$HERMES_HOME", "~/.hermes")},
				files:    []file{{scope: ScopeUser, at: in("$HERMES_HOME/config.yaml", "~/.hermes/config.yaml"), format: edit.YAML, place: place("mcp_servers")}},
				forms:    plainForms("url", ""),
			}
		},
	}
}
