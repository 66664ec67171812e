package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func claudeDesktop() Client {
	return Client{
		ID:       "claude-desktop",
		Title:    "Claude Desktop",
		Kind:     KindURL,
		Featured: true,
		Facts: Facts{
			Checked: checked, Source: "support.claude.com article 11503834 and anthropics/claude-ai-mcp#112",
			Unsure: "where the app from the Microsoft Store keeps its file",
		},
		facts: func() table {
			return table{
				signs: []paths{{
					linux: []string{"$XDG_CONFIG_HOME/Claude", "~/.config/Claude"}, windows: []string{"$APPDATA/Claude"},
					mac: []string{"/Applications/Claude.app", "~/Library/Application Support/Claude"},
				}},
				desktop: true,
				// It skips an entry with a URL.
				files: []file{{scope: ScopeUser, at: inAppData("Claude/claude_desktop_config.json"), format: edit.JSON, place: servers()}},
				forms: forms{RungProxy: stdio()},
				alsoReads: []edit.Object{
					obj("url", theURL, "headers", auth(bearer)),
					obj("env", obj("AUTH_HEADER", bearer)), // as mcp-remote's own instructions have it
				},
				after: "Quit Claude Desktop and open it again: it reads the file at its start only.",
			}
		},
		setup: func(s server) (Setup, error) {
			link := s.keyURL()
			return Setup{URL: link, Text: link, Note: s.cloudNote("Claude"), Steps: []string{
				"In Claude open Settings → Connectors (newer versions: Customize → Connectors).",
				"Choose Add custom connector, name it " + s.name + " and paste the URL as it is, with ?" + keyParam + "=…",
				"Where the form offers Request headers, paste the URL without " + keyParam + " instead and add the header Authorization: Bearer <the key>.",
			}}, nil
		},
	}
}
