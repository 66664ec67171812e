// Package mcpclient knows the AI clients that can be connected to a hosted MCP server: what each is called and the exact
// command, link or URL that connects it today. One client is one file, and mostly data.
//
// The package works on values only. It must not know where a secret came from, run a command, open a link, read or write a
// client's file, or talk to a server.
package mcpclient

import (
	"fmt"

	"github.com/keyfob/keyfob/internal/shellquote"
)

// Kind is the sort of setup a client takes.
type Kind string

// The kinds of setup.
const (
	KindCommand Kind = "command" // a command to run in a shell
	KindLink    Kind = "link"    // a link that the client itself opens
	KindURL     Kind = "url"     // a URL to paste into a screen of the client
)

// Client is an AI client.
type Client struct {
	ID    string // as --client takes it
	Title string // as its vendor writes it
	Kind  Kind
	Opens bool // connecting means to open Setup.URL; a client that does not open anything has its setup printed
	Facts Facts
	setup func(server) (Setup, error)
}

// Facts says how far the form of a setup can be trusted.
type Facts struct {
	Checked string // day of the last check, YYYY-MM-DD
	Source  string // what it was checked against
}

// Setup connects one client to one server. Argv, URL and Text hold the secret: they are what was asked for. Steps and Note
// never do.
type Setup struct {
	Client string   `json:"client"`
	Kind   Kind     `json:"kind"`
	Argv   []string `json:"argv,omitempty"`
	URL    string   `json:"url,omitempty"`
	// Text is Argv as one line for the shell, or URL.
	Text string `json:"text,omitempty"`
	// Steps tell a person what to do with URL.
	Steps []string `json:"steps,omitempty"`
	// Note is a hint for stderr.
	Note string `json:"note,omitempty"`
}

// Clients returns the clients in the order in which they are offered.
func Clients() []Client {
	return []Client{claudeCode(), codex(), vsCode(), cursor(), claudeDesktop(), chatGPT()}
}

// Lookup returns the client with the id.
func Lookup(id string) (Client, bool) {
	for _, c := range Clients() {
		if c.ID == id {
			return c, true
		}
	}
	return Client{}, false
}

// Setup returns what connects the client. Its errors are ErrName, ErrURL, ErrSecret and those of shellquote, and never hold
// a part of the parameters.
func (c Client) Setup(p Params) (Setup, error) {
	s, err := p.server()
	if err != nil {
		return Setup{}, err
	}
	out, err := c.setup(s)
	if err != nil {
		return Setup{}, fmt.Errorf("setup for %s: %w", c.ID, err)
	}
	out.Client, out.Kind = c.ID, c.Kind
	return out, nil
}

// command is the setup that runs argv.
func (s server) command(argv []string, target shellquote.Target, note string) (Setup, error) {
	line, err := shellquote.LineFor(s.shell, argv, target)
	if err != nil {
		return Setup{}, fmt.Errorf("command line for %s: %w", s.shell, err)
	}
	return Setup{Argv: argv, Text: line, Note: note}, nil
}
