package mcp

import (
	"fmt"
	"strings"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
)

// chooseClient returns the client of an id, or an error that helps to find the right one.
func chooseClient(id string) (mcpclient.Client, error) {
	if c, ok := mcpclient.Lookup(id); ok {
		return c, nil
	}
	err := cliutil.UsageError("there is no client %q", cliutil.Printable(id))
	err.Hint = "use one of " + strings.Join(featured(), ", ") + ", or another that `keyfob mcp clients` lists"
	if near := nearest(id); near != "" {
		err.Hint = fmt.Sprintf("did you mean %s? `keyfob mcp clients` lists all", near)
	}
	return mcpclient.Client{}, err
}

// nearest is the client whose id begins as the word does, or that the word begins with.
func nearest(word string) string {
	for _, c := range mcpclient.Clients() {
		if len(word) > 1 && (strings.HasPrefix(c.ID, word) || strings.HasPrefix(word, c.ID) || strings.EqualFold(c.Title, word)) {
			return c.ID
		}
	}
	return ""
}

// featured returns the ids of the clients that a first look shows.
func featured() []string {
	var ids []string
	for _, c := range mcpclient.Clients() {
		if c.Featured {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// clientTable lists the featured clients by name and the others by id.
func clientTable() string {
	const width = 100
	var b strings.Builder
	column := 0
	for _, c := range mcpclient.Clients() {
		if c.Featured {
			fmt.Fprintf(&b, "  %-15s %s\n", c.ID, c.Title)
			continue
		}
		switch {
		case column == 0:
			b.WriteString("\n  ")
			column = len(c.ID) + len("  ")
		case column+len(", ")+len(c.ID) > width:
			b.WriteString(",\n  ")
			column = len(c.ID) + len("  ")
		default:
			b.WriteString(", ")
			column += len(c.ID) + len(", ")
		}
		b.WriteString(c.ID)
	}
	return b.String() + "\n"
}
