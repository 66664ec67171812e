package mcpclient

func n8n() Client {
	return Client{
		ID:    "n8n",
		Title: "n8n",
		Kind:  KindPaste,
		Facts: Facts{Checked: checked, Source: "known for the node MCP Client Tool; not checked", Unsure: "not run; the names of its fields"},
		facts: func() table {
			return table{
				paste: "Endpoint: " + theURL + "\nBearer token: " + theKey,
				steps: []string{
					"Add the node MCP Client Tool (or MCP Client) and set Server Transport to HTTP Streamable.",
					"Paste the endpoint, set Authentication to Bearer Auth and paste the token into a new credential: it is kept out of the workflow.",
				},
			}
		},
	}
}
