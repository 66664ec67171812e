package mcp

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/browser"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/api"
)

// ConnectOptions is all that connectRun needs.
type ConnectOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Open    func(url string) error
	Out     *cliutil.Output

	Client mcpclient.Client
	Key    string
	Shell  shellquote.Shell
	Print  bool
}

// connected is what `mcp connect -o json` prints.
type connected struct {
	Key   api.Key         `json:"key"`
	MCP   api.MCPServer   `json:"mcp"`
	Setup mcpclient.Setup `json:"setup"`
}

// NewCmdConnect returns "keyfob mcp connect". runF replaces connectRun in tests.
func NewCmdConnect(f *cliutil.Factory, runF func(context.Context, *ConnectOptions) error) *cobra.Command {
	opts := &ConnectOptions{Session: f.Session, Open: f.OpenBrowser}
	var clientID, shell, key string
	cmd := &cobra.Command{
		Use:   "connect --client CLIENT",
		Short: "Print what connects an AI client, with a working key filled in",
		Long: `Print what connects an AI client to the hosted MCP server, with a working key filled in.

The key is the organisation's active one: of those that are enabled and can be revealed, the one used last. When there is
none, one is made. The links of ` + strings.Join(opening(), ", ") + ` are opened, unless stdout is no terminal or --print is given.

CLIENTS
` + clientTable(),
		Example: `$ keyfob mcp connect --client claude-code
$ keyfob mcp connect --client codex --key ci --shell fish
$ sh -c "$(keyfob mcp connect --client claude-code)"`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Client, err = chooseClient(clientID); err != nil {
				return err
			}
			if opts.Shell, err = ChooseShell(f, shell); err != nil {
				return err
			}
			if opts.Out, err = f.Output(); err != nil {
				return err
			}
			opts.Key = key
			return cliutil.Run(cmd.Context(), opts, runF, connectRun)
		},
	}
	cmd.Flags().StringVar(&clientID, "client", "", "the AI `CLIENT`: "+strings.Join(featured(), ", ")+" or another of keyfob mcp clients")
	cmd.Flags().StringVar(&key, "key", "", "name or id of the `KEY` to use instead of the active one")
	cmd.Flags().StringVar(&shell, "shell", "", ShellUsage())
	cmd.Flags().BoolVar(&opts.Print, "print", false, "print the link instead of opening it")
	cliutil.CompleteFlag(cmd, "client", func() []cobra.Completion {
		var found []cobra.Completion
		for _, c := range mcpclient.Clients() {
			found = append(found, cobra.CompletionWithDesc(c.ID, c.Title))
		}
		return found
	})
	cliutil.CompleteFlag(cmd, "shell", shellNames)
	cliutil.CompleteFlagWith(cmd, "key", completion.Key(f))
	return cmd
}

func connectRun(ctx context.Context, opts *ConnectOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	org, err := session.SelectOrg(ctx)
	if err != nil {
		return err
	}
	server, err := session.Client.MCP(ctx, org)
	if err != nil {
		return err
	}
	key, err := SetupKey(ctx, session.Client, org, opts.Key)
	if err != nil {
		return err
	}
	setup, err := opts.Client.Setup(mcpclient.Params{Name: server.Name, URL: server.URL, Secret: key.Secret, Shell: opts.Shell})
	if err != nil {
		return err
	}
	if key.Made {
		opts.Out.Note("Made the key %s, because the organisation had none to use.", cliutil.Printable(key.Key.Name))
	}
	if !strings.HasPrefix(server.URL, session.Client.Origin()+"/") {
		opts.Out.Note("The MCP server is not at %s but at %s.", session.Client.Origin(), cliutil.Printable(server.URL))
	}
	switch {
	case opts.Out.Structured():
		return opts.Out.Object(connected{Key: key.Key, MCP: server, Setup: setup})
	case opts.Client.Opens && !opts.Print && opts.Out.IO.OutTTY:
		return openLink(ctx, opts, setup)
	}
	return PrintSetup(opts.Out, setup)
}

// PrintSetup writes the line, link or URL to stdout and what a person has to know beside it to stderr.
func PrintSetup(out *cliutil.Output, setup mcpclient.Setup) error {
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

func openLink(ctx context.Context, opts *ConnectOptions, setup mcpclient.Setup) error {
	opts.Out.Note("Opening the link in your browser …")
	err := browser.Handoff(ctx, setup.URL, "Add to "+opts.Client.Title, opts.Open)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		opts.Out.Note("The link could not be opened (%v); open it yourself:", err)
		return PrintSetup(opts.Out, setup)
	}
	opts.Out.Note("%s asks whether to install the server; confirm it there.", opts.Client.Title)
	return nil
}

func chooseClient(id string) (mcpclient.Client, error) {
	if c, ok := mcpclient.Lookup(id); ok {
		return c, nil
	}
	err := cliutil.UsageError("there is no client %q", cliutil.Printable(id))
	if id == "" {
		err = cliutil.UsageError("--client is required")
	}
	err.Hint = "use one of " + strings.Join(featured(), ", ") + ", or another that `keyfob mcp clients` lists"
	return mcpclient.Client{}, err
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

// opening returns the names of the clients whose link is opened.
func opening() []string {
	var titles []string
	for _, c := range mcpclient.Clients() {
		if c.Opens {
			titles = append(titles, c.Title)
		}
	}
	return titles
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
