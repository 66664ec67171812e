// Package mcpclient knows the AI clients that can be connected to a hosted MCP server: what each is called, where it keeps
// its servers and in which form, and the exact command, link or URL that connects it today. One client is one file, and
// mostly data.
//
// The package works on values only. It must not know where a secret came from, run a command, open a link, read or write a
// client's file, or talk to a server.
package mcpclient

import (
	"fmt"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// Kind is the sort of setup a client takes.
type Kind string

// The kinds of setup.
const (
	KindCommand Kind = "command" // a command to run in a shell
	KindLink    Kind = "link"    // a link that the client itself opens
	KindURL     Kind = "url"     // a URL to paste into a screen of the client
	KindFile    Kind = "file"    // text to put into a file of the client
	KindPaste   Kind = "paste"   // text to paste into a screen of the client
)

// Client is an AI client. What lists of clients show is here; the rest is made when it is asked for, since a command line
// lists all clients at every start.
type Client struct {
	ID       string // as --client takes it
	Title    string // as its vendor writes it
	Kind     Kind
	Opens    bool // connecting means to open Setup.URL; a client that does not open anything has its setup printed
	Featured bool // one of the few that a first look shows
	Facts    Facts
	// Link is how the client's install link begins; empty: it has none that can carry a key.
	Link  string
	setup func(server) (Setup, error) // nil: tableSetup
	facts func() table
}

// Facts says how far the form of a setup can be trusted.
type Facts struct {
	Checked string // day of the last check, YYYY-MM-DD
	Source  string // what it was checked against
	Unsure  string // what could not be made sure of; empty: nothing
	// Proven names the versions whose own program connected with what Entry gives, by every rung of the user scope, and the day:
	// "2.1.330, 2026-11-25". Empty: none did.
	Proven string
}

// table is all that is known of a client beside its name.
type table struct {
	programs []string // names on PATH
	signs    []paths  // files and folders that show it is there
	desktop  bool     // a program with windows: under WSL it may be one of Windows
	files    []file   // in the order of preference
	forms    forms
	// alsoReads are other forms that the client takes: recognised, and taken out for ours.
	alsoReads    []edit.Object
	keeps        []string // see Client.Keeps
	notInProject []Rung
	widens       bool // its program makes the file readable for others when it writes it
	engine       Engine

	command []string // of KindCommand, with holes
	paste   string   // of KindPaste, with holes; empty: the entry as JSON
	link    func(server) (string, error)
	steps   []string // what a person does with a link, a file or a paste
	note    string   // of a setup, with <name>
	after   string   // what a person does once a file has been written
}

// Setup connects one client to one server. Argv, URL and Text hold the secret: they are what was asked for. Steps and Note
// never do.
type Setup struct {
	Client string   `json:"client"`
	Kind   Kind     `json:"kind"`
	Argv   []string `json:"argv,omitempty"`
	URL    string   `json:"url,omitempty"`
	// File is where Text goes, as a person finds it.
	File string `json:"file,omitempty"`
	// Text is Argv as one line for the shell, or URL, or what to put into a file or a form.
	Text string `json:"text,omitempty"`
	// Steps tell a person what to do with URL or Text.
	Steps []string `json:"steps,omitempty"`
	// Note is a hint for stderr.
	Note string `json:"note,omitempty"`
}

// Clients returns the clients in the order in which they are offered: first those that are Featured, then all by id.
func Clients() []Client {
	return []Client{
		claudeCode(), codex(), vsCode(), cursor(), claudeDesktop(), chatGPT(),
		amp(), antigravity(), anythingLLM(), auggie(), cline(), continueDev(), copilotCLI(), copilotJetBrains(), crush(),
		devin(), droid(), fx(), gemini(), goose(), grok(), hermes(), jetBrains(), junie(), kilo(), kimi(), kiro(), lmStudio(),
		mastra(), mcporter(), n8n(), openClaw(), openCode(), pi(), qoder(), qwen(), raycast(), rovoDev(), trae(), vibe(),
		visualStudio(), vsCodeInsiders(), warp(), windsurf(), xcodeClaude(), xcodeCodex(), zed(),
	}
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

// After is what a person has to do once a file of the client has been changed, such as to restart it; empty: nothing.
func (c Client) After() string { return c.facts().after }

// Setup returns what connects the client. Its errors are ErrName, ErrURL, ErrSecret and those of shellquote, and never hold
// a part of the parameters.
func (c Client) Setup(p Params) (Setup, error) {
	s, err := p.server()
	if err != nil {
		return Setup{}, err
	}
	setup := c.setup
	if setup == nil {
		setup = c.tableSetup
	}
	out, err := setup(s)
	if err != nil {
		return Setup{}, fmt.Errorf("setup for %s: %w", c.ID, err)
	}
	out.Client, out.Kind = c.ID, c.Kind
	return out, nil
}
