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

const vsCodeSource = "source of Visual Studio Code 1.139.1: McpManagementCli and the mcp/install URL handler"

func vsCode() Client {
	return Client{
		ID:       "vscode",
		Title:    "Visual Studio Code",
		Kind:     KindCommand,
		Featured: true,
		Link:     "vscode:mcp/install",
		Facts:    Facts{Checked: checked, Source: vsCodeSource},
		facts: func() table {
			return vsCodeTable("code", "Code", "/Applications/Visual Studio Code.app", ".vscode-server")
		},
		setup: func(s server) (Setup, error) { return s.vsCodeSetup("code", "vscode") },
	}
}

// vsCodeTable is that of a build of Visual Studio Code: its program, the name of its settings' folder, its app on macOS and
// the folder of its server, which is what runs over SSH and in WSL.
func vsCodeTable(program, folder, app, remote string) table {
	return table{
		programs: []string{program},
		signs:    []paths{inAppData(folder + "/User"), {mac: []string{app}}, {linux: []string{"~/" + remote}}},
		desktop:  true,
		files: []file{
			userFile(inAppData(folder+"/User/mcp.json"), place("servers")),
			userFile(paths{linux: []string{"~/" + remote + "/data/User/mcp.json"}}, place("servers")),
			projectFile(".vscode/mcp.json", place("servers")),
		},
		forms: typedForms("${env:" + theVar + "}"),
		after: "Start the server from the CodeLens in mcp.json or with MCP: List Servers; the first start asks for trust.",
	}
}

func (s server) vsCodeSetup(program, scheme string) (Setup, error) {
	config, err := s.vsCodeConfig()
	if err != nil {
		return Setup{}, err
	}
	out, err := s.command([]string{program, "--add-mcp", config}, shellquote.Batch, "")
	if err != nil {
		return Setup{}, err
	}
	out.URL = vsCodeLink(scheme, config)
	return out, nil
}

func (s server) vsCodeConfig() (string, error) {
	return compactJSON(vsCodeServer{Name: s.name, Type: "http", URL: s.url.String(), Headers: headers{s.bearer()}})
}

// vsCodeLink returns the install link. Its query is the JSON itself, and Visual Studio Code decodes it twice: once as a URI,
// once in the handler. So a "%" of the JSON is encoded once more.
func vsCodeLink(scheme, config string) string {
	return scheme + ":mcp/install?" + encodeComponent(strings.ReplaceAll(config, "%", "%25"))
}
