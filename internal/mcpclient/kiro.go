package mcpclient

func kiro() Client {
	return Client{
		ID:    "kiro",
		Title: "Kiro",
		Kind:  KindFile,
		Link:  kiroInstall,
		Facts: Facts{Checked: checked, Source: "https://kiro.dev/docs/mcp/share", Unsure: "not run"},
		facts: func() table {
			return table{
				programs: []string{"kiro", "kiro-cli"},
				signs:    []paths{in("~/.kiro")},
				desktop:  true,
				files:    []file{userFile(in("~/.kiro/settings/mcp.json"), servers()), projectFile(".kiro/settings/mcp.json", servers())},
				forms:    kiroForms(),
				link:     kiroLink,
				note:     "the link would show the key to kiro.dev; the file would not",
				after:    "Kiro asks to approve a variable that an entry refers to; it takes http only from localhost.",
			}
		},
	}
}

const kiroInstall = "https://kiro.dev/launch/mcp/add"

func kiroForms() forms {
	f := plainForms("url", "${"+theVar+"}")
	for rung := range f {
		f[rung] = append(f[rung], obj("disabled", false)...)
	}
	return f
}

// kiroLink returns the install link, a page of kiro.dev that opens the app: its configuration is JSON, not base64.
func kiroLink(s server) (string, error) {
	config, err := s.cursorConfig()
	return kiroInstall + "?name=" + encodeComponent(s.name) + "&config=" + encodeComponent(config), err
}
