package mcpclient

import (
	"strings"

	"github.com/keyfob/keyfob/internal/shellquote"
)

// vsCodeServer is the object that --add-mcp and the install link take.
type vsCodeServer struct {
	Name    string  `json:"name"`
	Type    string  `json:"type"` // the link infers it, the command does not
	URL     string  `json:"url"`
	Headers headers `json:"headers"`
}

type headers struct {
	Authorization string `json:"Authorization"`
}

func vsCode() Client {
	return Client{
		ID:    "vscode",
		Title: "Visual Studio Code",
		Kind:  KindCommand,
		Facts: Facts{Checked: "2026-11-23", Source: "source of Visual Studio Code 1.139.1: McpManagementCli and the mcp/install URL handler"},
		setup: func(s server) (Setup, error) {
			config, err := compactJSON(vsCodeServer{Name: s.name, Type: "http", URL: s.url.String(), Headers: headers{s.bearer()}})
			if err != nil {
				return Setup{}, err
			}
			out, err := s.command([]string{"code", "--add-mcp", config}, shellquote.Batch, "")
			if err != nil {
				return Setup{}, err
			}
			out.URL = vsCodeLink(config)
			return out, nil
		},
	}
}

// vsCodeLink returns the install link. Its query is the JSON itself, and Visual Studio Code decodes it twice: once as a URI,
// once in the handler. So a "%" of the JSON is encoded once more.
func vsCodeLink(config string) string {
	return "vscode:mcp/install?" + encodeComponent(strings.ReplaceAll(config, "%", "%25"))
}
