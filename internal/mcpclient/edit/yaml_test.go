package edit_test

import (
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

func TestPutYAML(t *testing.T) {
	t.Parallel()
	golden(t, edit.YAML, []goldenCase{
		{
			name: "no file", at: "extensions",
			in: "",
			want: `extensions:
  ours:
    type: http
    url: "https://x.test/mcp"
    headers:
      Authorization: "Bearer kf_live_canary"
`,
		},
		{
			name: "comments, no final newline", at: "extensions",
			in: `# top
GOOSE_MODEL: x # c`,
			want: `# top
GOOSE_MODEL: x # c
extensions:
  ours:
    type: http
    url: "https://x.test/mcp"
    headers:
      Authorization: "Bearer kf_live_canary"`,
		},
		{
			name: "four blanks", at: "extensions",
			in: `extensions:
    developer:
        enabled: true # c
    # foot

z: 1
`,
			want: `extensions:
    developer:
        enabled: true # c
    ours:
        type: http
        url: "https://x.test/mcp"
        headers:
            Authorization: "Bearer kf_live_canary"
    # foot

z: 1
`,
		},
		{
			name: "null", at: "extensions",
			in: `extensions: # none
z: 1
`,
			want: `extensions: # none
  ours:
    type: http
    url: "https://x.test/mcp"
    headers:
      Authorization: "Bearer kf_live_canary"
z: 1
`,
		},
		{
			name: "empty flow", at: "extensions",
			in: `extensions: {}
`,
			want: `extensions:
  ours:
    type: http
    url: "https://x.test/mcp"
    headers:
      Authorization: "Bearer kf_live_canary"
`,
		},
		{
			name: "flow", at: "extensions",
			in: `extensions: {a: {type: x}}
`,
			want: `extensions: {a: {type: x}, ours: {type: http, url: "https://x.test/mcp", headers: {Authorization: "Bearer kf_live_canary"}}}
`,
		},
		{
			name: "list", at: "mcpServers:name",
			in: `name: c
mcpServers:
  - name: a
    url: u
models: []
`,
			want: `name: c
mcpServers:
  - name: a
    url: u
  - name: ours
    type: http
    url: "https://x.test/mcp"
    headers:
      Authorization: "Bearer kf_live_canary"
models: []
`,
		},
		{
			name: "list not indented", at: "mcpServers:name",
			in: `mcpServers:
- name: a
`,
			want: `mcpServers:
- name: a
- name: ours
  type: http
  url: "https://x.test/mcp"
  headers:
    Authorization: "Bearer kf_live_canary"
`,
		},
		{
			name: "update", at: "extensions",
			in: `extensions:
  ours:
    enabled: false # mine
    url: old # was
    headers:
      X: "1"
  other: {}
`,
			want: `extensions:
  ours:
    enabled: false # mine
    url: "https://x.test/mcp" # was
    headers:
      X: "1"
      Authorization: "Bearer kf_live_canary"
    type: http
  other: {}
`,
		},
		{
			name: "update of a flow", at: "extensions",
			in: `extensions:
  ours: {url: old} # c
`,
			want: `extensions:
  ours: {url: "https://x.test/mcp", type: http, headers: {Authorization: "Bearer kf_live_canary"}} # c
`,
		},
	})
}
