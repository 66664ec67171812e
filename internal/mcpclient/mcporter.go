package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func mcporter() Client {
	return Client{
		ID:    "mcporter",
		Title: "mcporter",
		Kind:  KindCommand,
		Facts: Facts{Checked: checked, Source: "mcporter 0.12.3, run", Proven: "0.12.3, 2026-11-25"},
		facts: func() table {
			return table{
				programs: []string{"mcporter"},
				signs:    []paths{in("$XDG_CONFIG_HOME/mcporter", "~/.mcporter")},
				files: []file{
					userFile(in("$MCPORTER_CONFIG", "$XDG_CONFIG_HOME/mcporter/mcporter.json", "~/.mcporter/mcporter.json"), servers()),
					userFile(in("$XDG_CONFIG_HOME/mcporter/mcporter.jsonc", "~/.mcporter/mcporter.jsonc"), servers()),
					projectFile("config/mcporter.json", servers()),
				},
				forms:     plainForms("baseUrl", "${"+theVar+"}"),
				alsoReads: []edit.Object{obj("base_url", theURL), obj("url", theURL), obj("serverUrl", theURL), obj("server_url", theURL), obj("bearerTokenEnv", theVar), obj("bearerToken", theKey)},
				engine: Engine{
					Program: "mcporter", Package: "mcporter",
					Check: &Check{argv: []string{"mcporter", "list", theName, "--json"}, line: []string{`"status": "ok"`}, Seconds: 15},
				},
				command: []string{"mcporter", "config", "add", theName, theURL, "--header", "Authorization=" + bearer, "--scope", "home"},
			}
		},
	}
}
