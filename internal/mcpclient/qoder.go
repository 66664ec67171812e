package mcpclient

func qoder() Client {
	return Client{
		ID:    "qoder",
		Title: "Qoder",
		Kind:  KindFile,
		Facts: Facts{Checked: checked, Source: "add-mcp 2.4.0", Unsure: "not run; others name ~/.qoder/settings.json"},
		facts: func() table {
			return table{
				programs: []string{"qoder"},
				signs:    []paths{in("~/.qoder"), {windows: []string{"$APPDATA/Qoder"}}},
				desktop:  true,
				files:    []file{userFile(paths{all: []string{"~/.qoder/mcp.json"}, windows: []string{"$APPDATA/Qoder/SharedClientCache/mcp.json"}}, servers())},
				forms:    typedForms(""),
			}
		},
	}
}
