package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient"
)

const clientsHead = `# AI clients

What ` + "`keyfob mcp connect --client ID`" + ` knows, from the table that the program works with. How a client can get the key, strongest
first:

- **helper**: a command that prints headers; the key stays in the keyring
- **env**: a reference to an environment variable
- **proxy**: a program that the client starts, ` + "`keyfob mcp proxy`" + `
- **literal**: the key itself, in the client's file

"Proven" are clients whose own program was seen to connect in each of the ways of the user scope, and not to with a key that was
disabled; ` + "`make test-clients`" + ` does it again.

| id | client | connect gives | user scope | project scope | link | proves itself | proven | checked |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
`

// clients writes the table of AI clients for people.
func clients() error {
	var b strings.Builder
	b.WriteString(clientsHead)
	for _, c := range mcpclient.Clients() {
		link, proves, proven := "", "", ""
		if c.Link != "" {
			link = "yes"
		}
		if check := c.Engine().Check; check != nil {
			proves = "`" + strings.Join(check.Argv("NAME"), " ") + "`"
		}
		if c.Facts.Proven != "" {
			proven = "yes"
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s | %s | %s | %s | %s |\n", c.ID, c.ID, c.Title, c.Kind,
			rungs(c, mcpclient.ScopeUser), rungs(c, mcpclient.ScopeProject), link, proves, proven, c.Facts.Checked)
	}
	for _, c := range mcpclient.Clients() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.", c.ID, c.Title)
		if after := c.After(); after != "" {
			b.WriteString(" " + after)
		}
		b.WriteString("\n\n")
		for _, p := range c.Places() {
			fmt.Fprintf(&b, "- %s: %s, %s", p.Scope, code(p.Path), strings.ToUpper(string(p.Format)))
			if len(p.Variables) > 0 {
				b.WriteString("; moved by `" + strings.Join(p.Variables, "`, `") + "`")
			}
			b.WriteString("\n")
		}
		for _, r := range mcpclient.Rungs() {
			if version := c.Engine().Needs[r]; version != "" {
				fmt.Fprintf(&b, "- %s: from version %s\n", r, version)
			}
		}
		fmt.Fprintf(&b, "- checked on %s against: %s\n", c.Facts.Checked, c.Facts.Source)
		if c.Facts.Proven != "" {
			fmt.Fprintf(&b, "- proven: its own program connected with what is written here, version %s\n", c.Facts.Proven)
		}
		if c.Facts.Unsure != "" {
			fmt.Fprintf(&b, "- not sure: %s\n", c.Facts.Unsure)
		}
	}
	return write(filepath.Join("docs", "clients.md"), []byte(b.String()))
}

func rungs(c mcpclient.Client, s mcpclient.Scope) string {
	var words []string
	for _, r := range c.Rungs(s) {
		words = append(words, string(r))
	}
	return strings.Join(words, ", ")
}

// code puts each path into a code span, and leaves the systems in brackets.
func code(paths string) string {
	var parts []string
	for part := range strings.SplitSeq(paths, "), ") {
		path, systems, found := strings.Cut(part, " (")
		path = "`" + path + "`"
		if found {
			path += " (" + strings.TrimSuffix(systems, ")") + ")"
		}
		parts = append(parts, path)
	}
	return strings.Join(parts, ", ")
}
