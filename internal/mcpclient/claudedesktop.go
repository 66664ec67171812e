package mcpclient

func claudeDesktop() Client {
	return Client{
		ID:    "claude-desktop",
		Title: "Claude Desktop",
		Kind:  KindURL,
		Facts: Facts{Checked: "2026-11-23", Source: "support.claude.com article 11503834 and anthropics/claude-ai-mcp#112"},
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
