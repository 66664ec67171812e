package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func qwen() Client {
	return Client{
		ID:    "qwen-code",
		Title: "Qwen Code",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "qwen 0.24.4, run", Proven: "0.24.4, 2026-11-25"},
		facts: func() table {
			return table{
				programs:  []string{"qwen"},
				signs:     []paths{in("~/.qwen")},
				files:     []file{userFile(in("~/.qwen/settings.json"), servers()), projectFile(".qwen/settings.json", servers())},
				forms:     plainForms("httpUrl", "${"+theVar+"}"),
				alsoReads: []edit.Object{obj("url", theURL)},
				engine: Engine{
					Program: "qwen", Package: "@qwen-code/qwen-code",
					Check: &Check{argv: []string{"qwen", "mcp", "list"}, line: []string{"✓ " + theName, "Connected"}, Seconds: 12},
				},
				widens:  true, // at its first start on a file without $version
				after:   "It may write its settings anew, for all users of the machine to read: keep the key itself out of them.",
				command: []string{"qwen", "mcp", "add", "--transport", "http", "--scope", "user", theName, theURL, "--header", "Authorization: " + bearer},
			}
		},
	}
}
