package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func grok() Client {
	return Client{
		ID:    "grok",
		Title: "Grok Build",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "add-mcp 2.4.0", Unsure: "not run; a name has to begin with a letter and have no __"},
		facts: func() table {
			return table{
				programs: []string{"grok"},
				signs:    []paths{in("$GROK_HOME", "~/.grok")},
				files: []file{
					{scope: ScopeUser, at: in("$GROK_HOME/config.toml", "~/.grok/config.toml"), format: edit.TOML, place: place("mcp_servers")},
					{scope: ScopeProject, at: in("./.grok/config.toml"), format: edit.TOML, place: place("mcp_servers")},
				},
				forms: plainForms("url", "${"+theVar+"}"),
			}
		},
	}
}
