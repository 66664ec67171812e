package mcp_test

import (
	"net/http"
	"strings"
	"testing"
)

// Nothing that a client sends makes the endpoint fail, hang or die.
func TestHostileMessages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	bodies := []string{
		`null`, `true`, `1`, `"x"`, `{}`, `[]`, `[null]`, `[[]]`, `{"jsonrpc":"2.0"}`, `{"jsonrpc":"1.0","id":1,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":null,"method":"ping"}`, `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, `{"jsonrpc":"2.0","id":{},"method":"ping"}`,
		`{"jsonrpc":"2.0","id":1e999,"method":"ping"}`, `{"jsonrpc":"2.0","id":1,"method":null}`, `{"jsonrpc":"2.0","id":1,"method":""}`,
		`{"jsonrpc":"2.0","id":1,"method":"no/such"}`, `{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":1,"error":null}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}`, `{"jsonrpc":"2.0","ID":1,"METHOD":"ping"}`,
		`{"jsonrpc":"2.0","id":1,"method":"initialize"}`, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":null}`,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":[]}`,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":7}}`, `{"jsonrpc":"2.0","method":"initialize"}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}`, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"%%%"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":null}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":7}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"key_activity","arguments":{"key":"\ud800"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"key_activity","arguments":{"key":"` + strings.Repeat("k", 1<<17) + `"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_keys","arguments":{"limit":1e308}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_keys","arguments":{"limit":1.5}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"}`, `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":null}}`,
		`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}`, `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{}}`,
		`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{}}`, `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"debug"}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"whoami"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":null}}`, `{"jsonrpc":"2.0","id":1,"method":"ping","params":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		strings.Repeat("[", 100000), "\ufeff{}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\xff\"}", strings.Repeat(" ", 1<<20),
		`[` + strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"ping"},`, 20) + `{"jsonrpc":"2.0","id":1,"method":"ping"}]`,
	}
	for _, revision := range []string{"", "2025-06-18", "2025-11-25", "2026-07-28", "2099-01-01", "x"} {
		for _, body := range bodies {
			a := h.post(body, "MCP-Protocol-Version", revision)
			if a.status >= http.StatusInternalServerError {
				t.Errorf("revision %q: %d %s\nto %.200s", revision, a.status, a.body, body)
			}
		}
	}
	if _, _, content := h.call("whoami", `{}`); dig(content, "key", "name") != "ci" {
		t.Errorf("afterwards: %v", content)
	}
}
