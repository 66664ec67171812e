package mcp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The revisions that are agreed on in a handshake; every later request names its revision in a header.
func TestHandshakeRevisions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, revision := range []string{"2025-03-26", "2025-06-18", "2025-11-25"} {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			init := h.result(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + revision +
				`","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
			if init["protocolVersion"] != revision {
				t.Errorf("negotiated %v", init["protocolVersion"])
			}
			if want := map[string]any{"tools": map[string]any{}}; !reflect.DeepEqual(init["capabilities"], want) {
				t.Errorf("capabilities %v", init["capabilities"])
			}
			if dig(init, "serverInfo", "name") != "acme-keys" || dig(init, "serverInfo", "version") != "v1.2.3" {
				t.Errorf("serverInfo %v", init["serverInfo"])
			}
			a := h.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, "MCP-Protocol-Version", revision)
			if a.status != http.StatusAccepted || a.body != "" || a.header.Get("Mcp-Session-Id") != "" {
				t.Errorf("initialized: %d %s", a.status, a.body)
			}
			tools := h.result(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, "MCP-Protocol-Version", revision)
			checkTools(t, tools)
			call := h.result(`{"jsonrpc":"2.0","id":"three","method":"tools/call","params":{"name":"whoami","arguments":{}}}`,
				"MCP-Protocol-Version", revision)
			if dig(call, "structuredContent", "key", "name") != "ci" || dig(call, "structuredContent", "org", "slug") != "acme" {
				t.Errorf("whoami %v", call)
			}
		})
	}
}

// Revision 2026-07-28 has no handshake: every request says what it is, in _meta and in headers.
func TestRevision20260728(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	request := func(method, name, params string) map[string]any {
		t.Helper()
		meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
			`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`
		if params != "" {
			meta += ","
		}
		header := []string{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", method}
		if name != "" {
			header = append(header, "Mcp-Name", name)
		}
		return h.result(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s%s}}`, method, meta, params), header...)
	}
	discovered := request("server/discover", "", "")
	versions := fmt.Sprint(discovered["supportedVersions"])
	for _, revision := range []string{"2026-07-28", "2025-11-25", "2025-06-18"} {
		if !strings.Contains(versions, revision) {
			t.Errorf("supported are %s", versions)
		}
	}
	if want := map[string]any{"tools": map[string]any{}}; !reflect.DeepEqual(discovered["capabilities"], want) {
		t.Errorf("capabilities %v", discovered["capabilities"])
	}
	list := request("tools/list", "", "")
	checkTools(t, list)
	if list["cacheScope"] != "private" || list["ttlMs"] != float64(300000) {
		t.Errorf("cacheScope %v, ttlMs %v", list["cacheScope"], list["ttlMs"])
	}
	call := request("tools/call", "whoami", `"name":"whoami","arguments":{}`)
	if dig(call, "structuredContent", "key", "name") != "ci" {
		t.Errorf("whoami %v", call)
	}
	// No tool list ever changes, so a subscription ends at once instead of holding a stream open.
	a := h.post(`{"jsonrpc":"2.0","id":9,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`,
		"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")
	if a.status != http.StatusOK || !strings.Contains(a.body, `"id":9`) {
		t.Errorf("subscriptions/listen: %d %s", a.status, a.body)
	}
}

// bearer adds the key to every request.
type bearer struct {
	base http.RoundTripper
	key  string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.base.RoundTrip(r)
}

func TestTheSDKsOwnClient(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: h.url, HTTPClient: &http.Client{Transport: bearer{h.client.Transport, h.secret}},
	}, nil)
	noError(t, err)
	defer func() { noError(t, session.Close()) }()
	if got := session.InitializeResult().ProtocolVersion; got != "2026-07-28" {
		t.Errorf("negotiated %s", got)
	}
	tools, err := session.ListTools(t.Context(), nil)
	noError(t, err)
	if len(tools.Tools) != 3 {
		t.Errorf("%d tools", len(tools.Tools))
	}
	got, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "list_keys"})
	noError(t, err)
	if got.IsError || !strings.Contains(fmt.Sprint(got.StructuredContent), "ci") {
		t.Errorf("list_keys: %+v", got)
	}
}

func checkTools(t *testing.T, list map[string]any) {
	t.Helper()
	names := []string{"key_activity", "list_keys", "whoami"}
	tools, _ := list["tools"].([]any)
	if len(tools) != len(names) {
		t.Fatalf("tools %v", list)
	}
	for i, name := range names {
		tool := tools[i]
		if dig(tool, "name") != name {
			t.Errorf("tool %d is %v", i, dig(tool, "name"))
		}
		for _, text := range []string{"title", "description"} {
			if s, _ := dig(tool, text).(string); s == "" {
				t.Errorf("%s has no %s", name, text)
			}
		}
		want := map[string]any{
			"title": dig(tool, "title"), "readOnlyHint": true, "idempotentHint": true, "destructiveHint": false, "openWorldHint": false,
		}
		if got := dig(tool, "annotations"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: annotations %v", name, got)
		}
		for schema, additional := range map[string]any{"inputSchema": false, "outputSchema": nil} {
			if dig(tool, schema, "type") != "object" || dig(tool, schema, "additionalProperties") != additional {
				text, _ := json.Marshal(dig(tool, schema))
				t.Errorf("%s: %s %s", name, schema, text)
			}
		}
	}
}
