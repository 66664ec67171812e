package mcpclient

func openClaw() Client {
	return Client{
		ID:    "openclaw",
		Title: "OpenClaw",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "openclaw 2026.9.6, run", Unsure: "files in JSON5, which it reads, are refused for names without quotes", Proven: "2026.9.6, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"openclaw"},
				signs:    []paths{in("~/.openclaw")},
				files:    []file{userFile(in("~/.openclaw/openclaw.json"), place("mcp", "servers"))},
				forms:    forms{RungProxy: stdio(), RungLiteral: obj("url", theURL, "transport", "streamable-http", "headers", auth(bearer))},
				engine: Engine{
					Program: "openclaw", Package: "openclaw",
					Check: &Check{argv: []string{"openclaw", "mcp", "doctor", theName, "--probe"}, line: []string{"- " + theName + ": ok"}, Seconds: 120},
				},
				command: []string{"openclaw", "mcp", "add", theName, "--url", theURL, "--transport", "streamable-http", "--header", "Authorization=" + bearer},
				note:    "openclaw connects before it saves: the server has to be up",
			}
		},
	}
}
