package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func copilotJetBrains() Client {
	return Client{
		ID:    "copilot-jetbrains",
		Title: "GitHub Copilot in JetBrains IDEs",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "microsoft/apm and github/github-mcp-server", Unsure: "not run"},
		facts: func() table {
			return table{
				signs: []paths{copilotFolder("")},
				files: []file{userFile(copilotFolder("/mcp.json"), place("servers"))},
				forms: forms{
					RungProxy:   append(obj("type", "stdio"), stdio()...),
					RungLiteral: obj("url", theURL, "requestInit", obj("headers", auth(bearer))),
				},
				alsoReads: []edit.Object{obj("headers", auth(bearer))},
				after:     "Restart the IDE.",
			}
		},
	}
}

func copilotFolder(rest string) paths {
	return paths{
		all:     []string{"$XDG_CONFIG_HOME/github-copilot/intellij" + rest, "~/.config/github-copilot/intellij" + rest},
		windows: []string{"$LOCALAPPDATA/github-copilot/intellij" + rest},
	}
}
