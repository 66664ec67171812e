package mcpclient

func lmStudio() Client {
	return Client{
		ID:    "lm-studio",
		Title: "LM Studio",
		Kind:  KindLink,
		Opens: true,
		Link:  lmStudioInstall,
		Facts: Facts{Checked: checked, Source: "https://lmstudio.ai/docs/app/plugins/mcp/deeplink", Unsure: "not run; references to variables"},
		facts: func() table {
			return table{
				programs: []string{"lms"},
				signs:    []paths{in("~/.lmstudio"), in("~/.cache/lm-studio"), {mac: []string{"/Applications/LM Studio.app"}}},
				desktop:  true,
				files:    []file{userFile(in("~/.lmstudio/mcp.json"), servers()), left(userFile(in("~/.cache/lm-studio/mcp.json"), servers()))},
				forms:    plainForms("url", ""),
				link: func(s server) (string, error) {
					config, err := s.cursorConfig()
					return lmStudioInstall + "?" + nameAndConfig(s.name, config), err
				},
				steps: []string{"Open the link on the machine that LM Studio runs on.", "LM Studio shows the server: choose to install it."},
			}
		},
	}
}

const lmStudioInstall = "lmstudio://add_mcp"
