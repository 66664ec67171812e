package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func visualStudio() Client {
	return Client{
		ID:    "visual-studio",
		Title: "Visual Studio",
		Kind:  KindFile,
		Link:  visualStudioInstall,
		Facts: Facts{Checked: checked, Source: "https://learn.microsoft.com/visualstudio/ide/mcp-servers", Unsure: "not run; whether its link takes headers"},
		facts: func() table {
			return table{
				signs:   []paths{{windows: []string{"$PROGRAMFILES/Microsoft Visual Studio"}}},
				desktop: true,
				files: []file{
					userFile(paths{windows: []string{"~/.mcp.json"}}, place("servers")),
					{scope: ScopeProject, at: paths{windows: []string{"./.vs/mcp.json"}}, format: edit.JSONC, place: place("servers")},
					{scope: ScopeProject, at: paths{windows: []string{"./.mcp.json"}}, format: edit.JSONC, place: place("servers"), old: true},
				},
				forms: typedForms(""),
				link: func(s server) (string, error) {
					config, err := s.vsCodeConfig()
					return visualStudioInstall + "?" + encodeComponent(config), err
				},
				after: "Tools are off until they are chosen in the tool picker of the chat.",
			}
		},
	}
}

const visualStudioInstall = "vsweb+mcp:/install"
