package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func cline() Client {
	return Client{
		ID:    "cline",
		Title: "Cline",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "cline 3.0.65, run; source of the extension of August 2026", Proven: "3.0.65, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"cline"},
				signs:    []paths{in("$CLINE_DIR", "~/.cline"), inAppData("Code/User/globalStorage/saoudrizwan.claude-dev")},
				files: []file{
					userFile(in(
						"$CLINE_MCP_SETTINGS_PATH", "$CLINE_DATA_DIR/settings/cline_mcp_settings.json",
						"$CLINE_DIR/data/settings/cline_mcp_settings.json", "~/.cline/data/settings/cline_mcp_settings.json",
					), servers()),
					// the extension takes it over once and then looks no more
					left(userFile(inAppData("Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"), servers())),
				},
				// The extension expands ${env:VAR}, the CLI sends it as it is; both read the same file.
				forms: forms{
					RungProxy:   obj("transport", append(obj("type", "stdio"), stdio()...)),
					RungLiteral: obj("transport", obj("type", "streamableHttp", "url", theURL, "headers", auth(bearer))),
				},
				// The flat form. Without a type it would be SSE.
				alsoReads: []edit.Object{obj("type", "streamableHttp", "url", theURL, "headers", auth(bearer)), stdio()},
				engine:    Engine{Program: "cline", Package: "cline"},
				widens:    true, // at each start
				after:     "It writes its file anew at each start, for all users of the machine to read: keep the key itself out of it.",
				command:   []string{"cline", "mcp", "add", theName, theURL, "--transport", "http", "--header", "Authorization: " + bearer, "--yes"},
			}
		},
	}
}
