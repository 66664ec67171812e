package mcpclient

func crush() Client {
	return Client{
		ID:    "crush",
		Title: "Crush",
		Kind:  KindPaste,
		Facts: Facts{Checked: checked, Source: "source of charmbracelet/crush of August 2026", Unsure: "not run; how long crush.json will be read"},
		facts: func() table {
			return table{
				programs: []string{"crush"},
				signs:    []paths{inConfig("crush")},
				// JSON is on its way out; its successor is a script of bash, which is no place for a foreign hand.
				files: []file{userFile(inConfig("crush/crush.json"), place("mcp")), projectFile("crush.json", place("mcp"))},
				forms: typedForms("$" + theVar),
				paste: "mcp add " + theName + " --type http --url '" + theURL + "' --header Authorization '" + bearer + "'",
				steps: []string{"Add this line to ~/.config/crush/crushrc."},
			}
		},
	}
}
