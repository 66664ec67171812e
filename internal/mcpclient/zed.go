package mcpclient

func zed() Client {
	return Client{
		ID:    "zed",
		Title: "Zed",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "source of zed-industries/zed: paths and settings", Unsure: "not run"},
		facts: func() table {
			return table{
				programs: []string{"zed", "zeditor"},
				signs:    []paths{zedPaths(""), {mac: []string{"/Applications/Zed.app"}}},
				files: []file{
					userFile(zedPaths("/settings.json"), place("context_servers")),
					userFile(paths{linux: []string{"~/.var/app/dev.zed.Zed/config/zed/settings.json"}}, place("context_servers")), // Flatpak
					projectFile(".zed/settings.json", place("context_servers")),
				},
				forms: plainForms("url", ""),
				after: "A green dot in the settings of the agent shows that it is connected.",
			}
		},
	}
}

func zedPaths(rest string) paths {
	return paths{
		linux:   []string{"$FLATPAK_XDG_CONFIG_HOME/zed" + rest, "$XDG_CONFIG_HOME/zed" + rest, "~/.config/zed" + rest},
		mac:     []string{"~/.config/zed" + rest}, // not Application Support
		windows: []string{"$APPDATA/Zed" + rest},
	}
}
