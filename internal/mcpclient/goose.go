package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

func goose() Client {
	return Client{
		ID:    "goose",
		Title: "Goose",
		Kind:  KindLink,
		Opens: true,
		Link:  gooseInstall,
		Facts: Facts{Checked: checked, Source: "source of ui/desktop: extensions/deeplink.ts", Unsure: "not run; references to variables in headers"},
		facts: func() table {
			return table{
				programs: []string{"goose"},
				signs:    []paths{goosePaths(""), {mac: []string{"/Applications/Goose.app"}}},
				files:    []file{{scope: ScopeUser, at: goosePaths("/config.yaml"), format: edit.YAML, place: place("extensions")}},
				forms: forms{
					RungProxy:   obj("enabled", true, "name", theName, "description", "", "type", "stdio", "cmd", theCommand, "args", theArgs, "timeout", 300),
					RungLiteral: obj("enabled", true, "name", theName, "description", "", "type", "streamable_http", "uri", theURL, "headers", auth(bearer), "timeout", 300),
				},
				keeps: []string{"description", "timeout"},
				link:  func(s server) (string, error) { return gooseLink(s.name, s.url.String(), s.bearer()), nil },
				steps: []string{"Open the link on the machine that Goose Desktop runs on.", "Goose shows the extension: choose to add it."},
				after: "Start a new session.",
			}
		},
	}
}

const gooseInstall = "goose://extension"

func goosePaths(rest string) paths {
	return paths{
		all:     []string{"$XDG_CONFIG_HOME/goose" + rest, "~/.config/goose" + rest},
		windows: []string{"$APPDATA/Block/goose/config" + rest},
	}
}

// gooseLink returns the install link. Goose splits a header at every "=" and keeps two parts, then decodes the value once
// more; so the value is encoded twice.
func gooseLink(name, url, authorization string) string {
	return gooseInstall + "?name=" + encodeComponent(name) + "&id=" + encodeComponent(name) + "&type=streamable_http&url=" + encodeComponent(url) +
		"&header=" + encodeComponent("Authorization="+encodeComponent(authorization))
}
