package mcpclient

import "encoding/base64"

// cursorServer is the inner object of an entry in Cursor's mcp.json.
type cursorServer struct {
	URL     string  `json:"url"`
	Headers headers `json:"headers"`
}

func cursor() Client {
	return Client{
		ID:    "cursor",
		Title: "Cursor",
		Kind:  KindLink,
		Opens: true,
		Facts: Facts{Checked: "2026-11-23", Source: "https://cursor.com/docs/mcp/install-links"},
		setup: func(s server) (Setup, error) {
			config, err := compactJSON(cursorServer{URL: s.url.String(), Headers: headers{s.bearer()}})
			if err != nil {
				return Setup{}, err
			}
			link := cursorLink(s.name, config)
			return Setup{URL: link, Text: link, Steps: []string{
				"Open the link on the machine that Cursor runs on.",
				"Cursor shows the server and its URL: choose Install.",
			}}, nil
		},
	}
}

// cursorLink returns the Add to Cursor link. It goes to the app alone; the https form would show the key to a web site.
func cursorLink(name, config string) string {
	// base64 has +, / and =, and a bare + would arrive as a blank
	packed := encodeComponent(base64.StdEncoding.EncodeToString([]byte(config)))
	return "cursor://anysphere.cursor-deeplink/mcp/install?name=" + encodeComponent(name) + "&config=" + packed
}
