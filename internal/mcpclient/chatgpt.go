package mcpclient

func chatGPT() Client {
	return Client{
		ID:       "chatgpt",
		Title:    "ChatGPT",
		Kind:     KindURL,
		Featured: true,
		Facts:    Facts{Checked: checked, Source: "https://developers.openai.com/plugins/build/auth", Unsure: "which plans may use write tools"},
		facts:    func() table { return table{} }, // on the web; the desktop app reads Codex's file
		setup: func(s server) (Setup, error) {
			link := s.keyURL()
			return Setup{URL: link, Text: link, Note: s.cloudNote("ChatGPT"), Steps: []string{
				"In ChatGPT on the web open Settings → Apps (older: Connectors, newer: Plugins) → Advanced settings and turn on Developer mode.",
				"Go back, choose Create, name it " + s.name + " and paste the URL as it is, with ?" + keyParam + "=…",
				"Set Authentication to No authentication: the key is in the URL, there is no field for it.",
			}}, nil
		},
	}
}
