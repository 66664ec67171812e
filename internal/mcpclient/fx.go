package mcpclient

func fx() Client {
	return Client{
		ID:    "fx",
		Title: "fx",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "add-mcp 2.4.0", Unsure: "not run"},
		facts: func() table {
			return table{
				programs: []string{"fx"},
				signs:    []paths{in("~/.fx")},
				files:    []file{userFile(in("~/.fx/mcp.json"), place("mcp"))},
				// A literal Authorization header makes it refuse the entry, one of another name does not.
				forms: forms{
					RungEnv:     obj("type", "http", "url", theURL, "enabled", true, "bearer_token_env", theVar),
					RungProxy:   obj("type", "local", "command", theArgv, "enabled", true),
					RungLiteral: obj("type", "http", "url", theURL, "enabled", true, "headers", obj(otherHeader, theKey)),
				},
			}
		},
	}
}
