package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func vibe() Client {
	return Client{
		ID:    "vibe",
		Title: "Mistral Vibe",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "stacklok/toolhive of August 2026", Unsure: "not run; its headers and stdio entries"},
		facts: func() table {
			return table{
				programs: []string{"vibe"},
				signs:    []paths{in("~/.vibe")},
				files:    []file{{scope: ScopeUser, at: in("~/.vibe/config.toml"), format: edit.TOML, place: edit.Place{Path: []string{"mcp_servers"}, Key: "name"}}},
				forms:    vibeForms(),
			}
		},
	}
}

func vibeForms() forms {
	f := plainForms("url", "", "transport", "streamable-http")
	f[RungProxy] = append(obj("transport", "stdio"), stdio()...)
	return f
}
