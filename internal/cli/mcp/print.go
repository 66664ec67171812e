package mcp

import (
	"context"
	"fmt"

	"github.com/keyfob/keyfob/internal/browser"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/pkg/api"
)

// connected is what `mcp connect -o json` prints: setup for one client, setups for several.
type connected struct {
	Key    api.Key           `json:"key"`
	MCP    api.MCPServer     `json:"mcp"`
	Setup  *mcpclient.Setup  `json:"setup,omitempty"`
	Setups []mcpclient.Setup `json:"setups,omitempty"`
}

// printRun prints what connects the clients. A key that was made for it goes again if that fails.
func printRun(ctx context.Context, opts *ConnectOptions, at site) error {
	keys, err := takeKeys(ctx, opts, at)
	if err != nil {
		return err
	}
	setups := make([]mcpclient.Setup, len(opts.Clients))
	for i, c := range opts.Clients {
		setups[i], err = c.Setup(mcpclient.Params{Name: at.server.Name, URL: at.server.URL, Secret: keys.of(i).Secret, Shell: opts.Shell})
		if err != nil {
			return keys.withdraw(ctx, opts, at, badSetup(err))
		}
	}
	keys.tell(opts.Out)
	if opts.Out.Structured() {
		doc := connected{Key: keys.of(0).Key, MCP: at.server}
		if len(setups) == 1 {
			doc.Setup = &setups[0]
		} else {
			doc.Setups = setups
		}
		return opts.Out.Object(doc)
	}
	for i, c := range opts.Clients {
		if err := showSetup(ctx, opts, c, setups[i]); err != nil {
			return err
		}
	}
	return offer(ctx, opts, at, keys)
}

func showSetup(ctx context.Context, opts *ConnectOptions, c mcpclient.Client, setup mcpclient.Setup) error {
	opens := opts.Browse || c.Opens && !opts.Print && opts.Out.IO.OutTTY
	if opts.Browse && c.Link == "" && !c.Opens {
		e := cliutil.UsageError("%s has no install link", c.Title)
		e.Hint = "leave --open out"
		return e
	}
	if opens && setup.URL != "" {
		return openLink(ctx, opts, c, setup)
	}
	if len(opts.Clients) > 1 {
		opts.Out.Note("%s:", c.Title)
	}
	return PrintSetup(opts.Out, setup)
}

// PrintSetup writes the line, link or URL to stdout and what a person has to know beside it to stderr.
func PrintSetup(out *cliutil.Output, setup mcpclient.Setup) error {
	if setup.File != "" {
		out.Note("In %s:", setup.File)
	}
	if err := out.Line("%s", setup.Text); err != nil {
		return err
	}
	for i, step := range setup.Steps {
		out.Note("%d. %s", i+1, step)
	}
	if setup.Note != "" {
		out.Note("note: %s", setup.Note)
	}
	return nil
}

func openLink(ctx context.Context, opts *ConnectOptions, c mcpclient.Client, setup mcpclient.Setup) error {
	opts.Out.Note("Opening the link in your browser …")
	err := browser.Handoff(ctx, setup.URL, "Add to "+c.Title, opts.Open)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		opts.Out.Note("The link could not be opened (%v); open it yourself:", err)
		return PrintSetup(opts.Out, setup)
	}
	opts.Out.Note("%s asks whether to install the server; confirm it there.", c.Title)
	return nil
}

// offer asks, on a terminal, whether to write the client's file now.
func offer(ctx context.Context, opts *ConnectOptions, at site, keys taken) error {
	if opts.Print || opts.Browse || opts.Out.Quiet || len(opts.Clients) != 1 || !opts.Out.CanPrompt() {
		return nil
	}
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	targets := opts.Clients[0].Targets(connector.Where, opts.Scope)
	if len(targets) == 0 || opts.Clients[0].Opens {
		return nil
	}
	yes, err := opts.Out.Confirm(ctx, fmt.Sprintf("Write it into %s now?", targets[0].Path))
	if err != nil || !yes {
		return err
	}
	return applyKeys(ctx, opts, at, keys)
}

// badSetup is an error of what the command line gave: the server's name.
func badSetup(err error) error {
	e := cliutil.UsageError("%v", err)
	e.Hint = "give another name with --name"
	return e
}
