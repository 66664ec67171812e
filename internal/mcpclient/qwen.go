package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func qwen() Client {
	return Client{
		ID:    "qwen-code",
		Title: "Qwen Code",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "qwen 0.24.4, run"},
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
				command: []string{"qwen", "mcp", "add", "--transport", "http", "--scope", "user", theName, theURL, "--header", "Authorization: " + bearer},
			}
		},
	}
}
