package clients_test

import (
	"strings"
	"testing"
)

// TestInspectorCallsThroughTheGateway has the MCP project's Inspector list and call tools of a real MCP server that keyfobd guards, by
// a header and by the connector URL, until the key is disabled.
func TestInspectorCallsThroughTheGateway(t *testing.T) {
	t.Parallel()
	newEngine(t, "mcp-inspector", "mcp-server-everything") // skip before anything is built
	g := startGuarded(t)
	e := newEngine(t, "mcp-inspector")
	owner := engine{home: g.home, path: []string{"/usr/bin", "/bin"}}
	ways := map[string][]string{
		"header":        {g.MCP.URL, "--header", "Authorization: Bearer " + g.Secret},
		"connector URL": {g.MCP.URL + "?api_key=" + g.Secret},
	}
	inspect := func(t *testing.T, way string, method ...string) (string, error) {
		t.Helper()
		argv := append([]string{"mcp-inspector", "--cli"}, ways[way]...)
		return e.try(t, append(append(argv, "--transport", "http", "--method"), method...)...)
	}
	each := func(name string, fn func(t *testing.T, way string)) {
		t.Run(name, func(t *testing.T) {
			for way := range ways {
				t.Run(way, func(t *testing.T) {
					t.Parallel()
					fn(t, way)
				})
			}
		})
	}
	each("enabled", func(t *testing.T, way string) {
		t.Helper()
		if out, err := inspect(t, way, "tools/list"); err != nil || !strings.Contains(out, `"name": "echo"`) {
			t.Errorf("tools/list: %v\n%s", err, out)
		}
		out, err := inspect(t, way, "tools/call", "--tool-name", "echo", "--tool-arg", "message=how far is it")
		if err != nil || !strings.Contains(out, `"text": "Echo: how far is it"`) {
			t.Errorf("tools/call: %v\n%s", err, out)
		}
	})
	if len(g.calls) != len(ways) {
		t.Errorf("%d calls reached the MCP server", len(g.calls))
	}
	owner.run(t, g.keyfob, "keys", "disable", g.Key.ID)
	each("disabled", func(t *testing.T, way string) {
		t.Helper()
		out, err := inspect(t, way, "tools/call", "--tool-name", "echo", "--tool-arg", "message=and now")
		if err == nil || strings.Contains(out, "Echo: ") || !strings.Contains(out, "auth_required") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	if len(g.calls) != len(ways) {
		t.Error("a call with a disabled key reached the MCP server")
	}
}
