package edit_test

import (
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

func TestPutTOML(t *testing.T) {
	t.Parallel()
	golden(t, edit.TOML, []goldenCase{
		{
			name: "no file", at: "mcp_servers",
			in: "",
			want: `[mcp_servers.ours]
type = "http"
url = "https://x.test/mcp"
headers = { Authorization = "Bearer kf_live_canary" }
`,
		},
		{
			name: "comments, no final newline", at: "mcp_servers",
			in: `# top
model = "x" # c`,
			want: `# top
model = "x" # c

[mcp_servers.ours]
type = "http"
url = "https://x.test/mcp"
headers = { Authorization = "Bearer kf_live_canary" }`,
		},
		{
			name: "CRLF", at: "mcp_servers",
			in:   "a = 1\r\n",
			want: "a = 1\r\n\r\n[mcp_servers.ours]\r\ntype = \"http\"\r\nurl = \"https://x.test/mcp\"\r\nheaders = { Authorization = \"Bearer kf_live_canary\" }\r\n",
		},
		{
			name: "tables", at: "mcp_servers",
			in: `[mcp_servers.a]
url = "u"

[mcp_servers.a.http_headers]
X = "1"

[z]
y = 1
`,
			want: `[mcp_servers.a]
url = "u"

[mcp_servers.a.http_headers]
X = "1"

[z]
y = 1

[mcp_servers.ours]
type = "http"
url = "https://x.test/mcp"
headers = { Authorization = "Bearer kf_live_canary" }
`,
		},
		{
			name: "inline", at: "mcp_servers",
			in: `mcp_servers = { a = { url = "u" } } # c
`,
			want: `mcp_servers = { a = { url = "u" }, ours = { type = "http", url = "https://x.test/mcp", headers = { Authorization = "Bearer kf_live_canary" } } } # c
`,
		},
		{
			name: "array of tables", at: "mcp_servers:name",
			in: `[[mcp_servers]]
name = "a"
`,
			want: `[[mcp_servers]]
name = "a"

[[mcp_servers]]
name = "ours"
type = "http"
url = "https://x.test/mcp"
headers = { Authorization = "Bearer kf_live_canary" }
`,
		},
		{
			name: "empty array", at: "mcp_servers:name",
			in: `mcp_servers = [] # none
`,
			want: `mcp_servers = [{ name = "ours", type = "http", url = "https://x.test/mcp", headers = { Authorization = "Bearer kf_live_canary" } }] # none
`,
		},
		{
			name: "update across the file", at: "mcp_servers",
			in: `[mcp_servers.ours] # mine
url = "old" # was
enabled = false

[z]
y = 1

[mcp_servers.ours.headers]
X = "1"
`,
			want: `[mcp_servers.ours] # mine
url = "https://x.test/mcp" # was
enabled = false
type = "http"

[z]
y = 1

[mcp_servers.ours.headers]
X = "1"
Authorization = "Bearer kf_live_canary"
`,
		},
		{
			name: "update of an inline table", at: "mcp_servers",
			in: `[mcp_servers]
ours = { url = "old", headers = { X = "1" } }
`,
			want: `[mcp_servers]
ours = { url = "https://x.test/mcp", headers = { X = "1", Authorization = "Bearer kf_live_canary" }, type = "http" }
`,
		},
		{
			name: "update of dotted keys", at: "mcp_servers",
			in: `mcp_servers.ours.url = "old"
`,
			want: `mcp_servers.ours.url = "https://x.test/mcp"
mcp_servers.ours.type = "http"
mcp_servers.ours.headers = { Authorization = "Bearer kf_live_canary" }
`,
		},
		{
			name: "update without an own header", at: "mcp_servers",
			in: `[mcp_servers.ours.headers]
X = "1"
`,
			want: `[mcp_servers.ours]
type = "http"
url = "https://x.test/mcp"

[mcp_servers.ours.headers]
X = "1"
Authorization = "Bearer kf_live_canary"
`,
		},
	})
}
