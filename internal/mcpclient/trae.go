package mcpclient

func trae() Client {
	return Client{
		ID:    "trae",
		Title: "Trae",
		Kind:  KindFile,
		Link:  traeInstall,
		Facts: Facts{Checked: checked, Source: "https://docs.trae.ai/ide/mcp-server-install-links", Unsure: "not run; the word for Streamable HTTP in a link"},
		facts: func() table {
			return table{
				programs: []string{"trae"},
				signs:    []paths{inAppData("Trae/User"), {mac: []string{"/Applications/Trae.app"}}},
				desktop:  true,
				files:    []file{userFile(inAppData("Trae/User/mcp.json"), servers()), projectFile(".trae/mcp.json", servers())},
				forms:    plainForms("url", ""),
				link: func(s server) (string, error) {
					config, err := s.cursorConfig()
					return traeInstall + "?type=streamable-http&" + nameAndConfig(s.name, config), err
				},
				after: "A project's file counts once Project MCP is enabled in Settings.",
			}
		},
	}
}

const traeInstall = "trae://trae.ai-ide/mcp-import"
