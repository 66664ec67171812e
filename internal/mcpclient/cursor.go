package mcpclient

import "encoding/base64"

// cursorServer is the inner object of an entry in Cursor's mcp.json, which others have taken over.
type cursorServer struct {
	URL     string  `json:"url"`
	Headers headers `json:"headers"`
}

const cursorInstall = "cursor://anysphere.cursor-deeplink/mcp/install"

func cursor() Client {
	return Client{
		ID:       "cursor",
		Title:    "Cursor",
		Kind:     KindLink,
		Opens:    true,
		Featured: true,
		Link:     cursorInstall,
		Facts:    Facts{Checked: checked, Source: "https://cursor.com/docs/mcp/install-links", Unsure: "where Cursor lies on Windows"},
		facts: func() table {
			return table{
				programs: []string{"cursor", "cursor-agent"},
				signs:    []paths{in("~/.cursor"), {mac: []string{"/Applications/Cursor.app"}}, {windows: []string{"$LOCALAPPDATA/Programs/cursor"}}},
				desktop:  true,
				files:    []file{userFile(in("~/.cursor/mcp.json"), servers()), projectFile(".cursor/mcp.json", servers())},
				forms:    plainForms("url", "${env:"+theVar+"}"),
				link: func(s server) (string, error) {
					config, err := s.cursorConfig()
					return cursorLink(s.name, config), err
				},
				steps: []string{
					"Open the link on the machine that Cursor runs on.",
					"Cursor shows the server and its URL: choose Install.",
				},
				after: "Settings → Tools & MCP shows a green dot; a chat that is open keeps its tools until it is reloaded.",
			}
		},
	}
}

// cursorConfig is the object of an install link in Cursor's notation.
func (s server) cursorConfig() (string, error) {
	return compactJSON(cursorServer{URL: s.url.String(), Headers: headers{s.bearer()}})
}

// cursorLink returns the Add to Cursor link. It goes to the app alone; the https form would show the key to a web site.
func cursorLink(name, config string) string { return cursorInstall + "?" + nameAndConfig(name, config) }

// nameAndConfig is a query with the configuration in base64.
func nameAndConfig(name, config string) string {
	// base64 has +, / and =, and a bare + would arrive as a blank
	packed := encodeComponent(base64.StdEncoding.EncodeToString([]byte(config)))
	return "name=" + encodeComponent(name) + "&config=" + packed
}
