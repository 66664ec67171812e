package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func continueDev() Client {
	return Client{
		ID:    "continue",
		Title: "Continue",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "cn 1.5.47, run", Proven: "1.5.47, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"cn"},
				signs:    []paths{in("~/.continue")},
				files: []file{
					{scope: ScopeUser, at: in("~/.continue/config.yaml"), format: edit.YAML, place: continuePlace(), head: continueHead()},
					{scope: ScopeProject, at: in("./.continue/mcpServers/mcp.yaml"), format: edit.YAML, place: continuePlace(), head: continueHead()},
				},
				forms: forms{
					RungEnv:     obj("type", "streamable-http", "url", theURL, "requestOptions", obj("headers", auth("Bearer ${{ secrets."+theVar+" }}"))),
					RungProxy:   append(obj("type", "stdio"), stdio()...),
					RungLiteral: obj("type", "streamable-http", "url", theURL, "requestOptions", obj("headers", auth(bearer))),
				},
				alsoReads: []edit.Object{obj("apiKey", theKey)},
				engine:    Engine{Program: "cn", Package: "@continuedev/cli"},
				after:     "It takes variables from the environment that it was started with.",
			}
		},
	}
}

func continuePlace() edit.Place { return edit.Place{Path: []string{"mcpServers"}, Key: "name"} }

// continueHead is what a file of Continue has to have.
func continueHead() edit.Object {
	return obj("name", "Local Config", "version", "1.0.0", "schema", "v1")
}
