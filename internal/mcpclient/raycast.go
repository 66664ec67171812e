package mcpclient

func raycast() Client {
	return Client{
		ID:    "raycast",
		Title: "Raycast",
		Kind:  KindPaste,
		Facts: Facts{Checked: checked, Source: "https://manual.raycast.com/ai/model-context-protocol", Unsure: "not run"},
		facts: func() table {
			return table{
				signs: []paths{{mac: []string{"/Applications/Raycast.app"}}},
				// Its install link is known for stdio servers only.
				paste: "URL: " + theURL + "\nHTTP header: Authorization: " + bearer,
				steps: []string{
					"In Raycast run Install MCP Server and set Transport to HTTP.",
					"Paste the URL, and add the header under HTTP Headers.",
				},
			}
		},
	}
}
