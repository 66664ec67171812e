package edit_test

import (
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

func TestPutJSONC(t *testing.T) {
	t.Parallel()
	golden(t, edit.JSONC, []goldenCase{
		{
			name: "only a comment", at: "mcp",
			in: "// mine",
			want: `// mine
{
  "mcp": {
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
			name: "trailing commas and comments", at: "context_servers",
			in: `{
  // servers
  "context_servers": {
    "a": { "url": "u" }, // first
    // last
  },
}
`,
			want: `{
  // servers
  "context_servers": {
    "a": { "url": "u" }, // first
    "ours": { "type": "http", "url": "https://x.test/mcp", "headers": { "Authorization": "Bearer kf_live_canary" } },
    // last
  },
}
`,
		},
		{
			name: "comment behind the last", at: "mcp",
			in: `{
  "mcp": {
    "a": {} // why
    // last
  }
}
`,
			want: `{
  "mcp": {
    "a": {}, // why
    "ours": {
      "type": "http",
      "url": "https://x.test/mcp",
      "headers": {
        "Authorization": "Bearer kf_live_canary"
      }
    }
    // last
  }
}
`,
		},
		{
			name: "comment in an empty object", at: "mcp",
			in: `{
  "mcp": {
    // none yet
  }
}
`,
			want: `{
  "mcp": {
    // none yet
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
			name: "update", at: "mcp",
			in: `{
  "mcp": {
    "ours": { // mine
      "url": "old", // was
      /* h */ "headers": { "X": "1" },
    },
  },
}
`,
			want: `{
  "mcp": {
    "ours": { // mine
      "url": "https://x.test/mcp", // was
      /* h */ "headers": { "X": "1", "Authorization": "Bearer kf_live_canary" },
      "type": "http",
    },
  },
}
`,
		},
	})
}
