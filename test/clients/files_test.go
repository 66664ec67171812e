package clients_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// TestReadBack has clients that connect only after a login say what they read in their files.
func TestReadBack(t *testing.T) {
	t.Parallel()
	newEngine(t, "amp", "auggie") // skip before anything is built
	q := start(t)
	for _, tc := range []struct {
		program string
		held    map[string]string
	}{
		{"amp", map[string]string{".config/amp/settings.json": "{\n  // mine\n  \"amp.notifications.enabled\": false,\n}\n"}},
		{"auggie", map[string]string{".augment/settings.json": "{\n  \"mcpServers\": {}\n}\n"}},
	} {
		t.Run(tc.program, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, tc.program)
			e.signIn(t, q)
			e.write(t, tc.held)
			files := filesOf(e, proof{held: tc.held})
			before := state(t, files)
			for _, way := range []struct{ flag, want string }{{"--literal", `"url": "` + q.MCP.URL + `"`}, {"--proxy", q.keyfob}} {
				e.run(t, "keyfob", "mcp", "connect", "--client", tc.program, "--apply", way.flag)
				out := e.run(t, tc.program, "mcp", "list", "--json")
				if !strings.Contains(out, `"name": "`+q.MCP.Name+`"`) || !strings.Contains(out, way.want) {
					t.Errorf("%s: %s reads\n%s", way.flag, tc.program, out)
				}
			}
			e.run(t, "keyfob", "mcp", "disconnect", "--client", "all")
			if got := state(t, files); !same(t, got, before) {
				t.Error("disconnected: the files are not what they were")
			}
		})
	}
}

// TestInspector has a program of others list the tools, with the key and with a wrong one.
func TestInspector(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "mcp-inspector")
	q := start(t)
	list := func(key string) (string, error) {
		return e.try(t, "mcp-inspector", "--cli", q.MCP.URL, "--transport", "http", "--method", "tools/list", "--header", "Authorization: Bearer "+key)
	}
	if out, err := list(q.Secret); err != nil || !strings.Contains(out, `"whoami"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := list(wrong(q.Secret)); err == nil || !strings.Contains(out, "auth_required") {
		t.Errorf("with a wrong key: %v\n%s", err, out)
	}
}

// TestRemote speaks stdio with mcp-remote, which clients that take no URL were told to use.
func TestRemote(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "mcp-remote")
	q := start(t)
	e.env = append(e.env, "AUTH_HEADER=Bearer "+q.Secret)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := e.command(ctx, "mcp-remote", q.MCP.URL, "--header", "Authorization:${AUTH_HEADER}", "--transport", "http-only")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(stdin, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"0"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/list"}
`)
	if err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(stdout)
	for id := 0; id != 2; {
		var answer struct {
			ID     int `json:"id"`
			Result struct {
				Tools []struct {
					Name string `json:"name"`
				} `json:"tools"`
			} `json:"result"`
		}
		if err := answers.Decode(&answer); err != nil {
			t.Fatal(err)
		}
		if id = answer.ID; id == 2 && len(answer.Result.Tools) == 0 {
			t.Error("it has no tools")
		}
	}
	cancel() // it goes on
	_ = cmd.Wait()
}
