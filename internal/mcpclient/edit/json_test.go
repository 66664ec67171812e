package edit_test

import (
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

func TestPutJSON(t *testing.T) {
	t.Parallel()
	golden(t, edit.JSON, []goldenCase{
		{
			name: "no file", at: "mcpServers",
			in: "",
			want: `{
  "mcpServers": {
    "ours": {
      "type": "http",
      "url": "https://x.test/mcp",
      "headers": {
        "Authorization": "Bearer kf_live_canary"
      }
    }
  }
}
`,
		},
		{
			name: "empty object", at: "mcpServers",
			in: `{}
`,
			want: `{
  "mcpServers": {
    "ours": {
      "type": "http",
      "url": "https://x.test/mcp",
      "headers": {
        "Authorization": "Bearer kf_live_canary"
      }
    }
  }
}
`,
		},
		{
			name: "among others", at: "mcpServers",
			in: `{
  "numStartups": 12345678901234567890,
  "mcpServers": {
    "github": {
      "command": "npx",
      "args": []
    }
  },
  "z": {}
}
`,
			want: `{
  "numStartups": 12345678901234567890,
  "mcpServers": {
    "github": {
      "command": "npx",
      "args": []
    },
    "ours": {
      "type": "http",
      "url": "https://x.test/mcp",
      "headers": {
        "Authorization": "Bearer kf_live_canary"
      }
    }
  },
  "z": {}
}
`,
		},
		{
			name: "CRLF, tabs, no final newline", at: "mcpServers",
			in:   "{\r\n\t\"mcpServers\": {}\r\n}",
			want: "{\r\n\t\"mcpServers\": {\r\n\t\t\"ours\": {\r\n\t\t\t\"type\": \"http\",\r\n\t\t\t\"url\": \"https://x.test/mcp\",\r\n\t\t\t\"headers\": {\r\n\t\t\t\t\"Authorization\": \"Bearer kf_live_canary\"\r\n\t\t\t}\r\n\t\t}\r\n\t}\r\n}",
		},
		{
			name: "one line", at: "servers",
			in:   "{\"a\":1,\"servers\":{\"x\":{\"url\":\"u\"}}}",
			want: "{\"a\":1,\"servers\":{\"x\":{\"url\":\"u\"},\"ours\":{\"type\":\"http\",\"url\":\"https://x.test/mcp\",\"headers\":{\"Authorization\":\"Bearer kf_live_canary\"}}}}",
		},
		{
			name: "deep", at: "mcp.servers",
			in: `{
    "a": 1
}
`,
			want: `{
    "a": 1,
    "mcp": {
        "servers": {
            "ours": {
                "type": "http",
                "url": "https://x.test/mcp",
                "headers": {
                    "Authorization": "Bearer kf_live_canary"
                }
            }
        }
    }
}
`,
		},
		{
			name: "list", at: "mcpServers:name",
			in: `{
  "mcpServers": [
    {
      "name": "a"
    }
  ]
}
`,
			want: `{
  "mcpServers": [
    {
      "name": "a"
    },
    {
      "name": "ours",
      "type": "http",
      "url": "https://x.test/mcp",
      "headers": {
        "Authorization": "Bearer kf_live_canary"
      }
    }
  ]
}
`,
		},
		{
			name: "update", at: "mcpServers",
			in: `{
  "mcpServers": {
    "ours": {
      "disabled": true,
      "url": "old",
      "headers": {
        "X-Team": "a"
      }
    }
  }
}
`,
			want: `{
  "mcpServers": {
    "ours": {
      "disabled": true,
      "url": "https://x.test/mcp",
      "headers": {
        "X-Team": "a",
        "Authorization": "Bearer kf_live_canary"
      },
      "type": "http"
    }
  }
}
`,
		},
	})
}
