package mcp

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/api"
)

// ConnectOptions is all that connectRun needs.
type ConnectOptions struct {
	Session   func(context.Context) (*cliutil.Session, error)
	Connector func() (mcpconnect.Connector, error)
	Hostname  func() (string, error)
	Open      func(url string) error
	// Ways returns how a client gets a key without holding it: argv of a header helper and of a stdio proxy.
	Ways func(s *cliutil.Session, keyID string) (helper, proxy []string, err error)
	// Keep puts a secret where the helper finds it.
	Keep func(ctx context.Context, s *cliutil.Session, key Key) error
	GOOS string
	Out  *cliutil.Output

	Clients []mcpclient.Client
	All     bool // of them those that are found here
	Key     string
	NewKey  bool
	Shell   shellquote.Shell
	Print   bool
	Browse  bool
	Apply   bool
	DryRun  bool
	Scope   mcpclient.Scope
	Name    string
	Rung    mcpclient.Rung
	EnvVar  string
	Bundle  string
}

// NewCmdConnect returns "keyfob mcp connect". runF replaces connectRun in tests.
func NewCmdConnect(f *cliutil.Factory, runF func(context.Context, *ConnectOptions) error) *cobra.Command {
	opts := &ConnectOptions{
		Session: f.Session, Hostname: f.Hostname, Open: f.OpenBrowser, Ways: ways(f), Keep: keep(f), GOOS: f.GOOS,
		Connector: func() (mcpconnect.Connector, error) { return NewConnector(f) },
	}
	var clients clientFlag
	var shell, scope string
	var literal, proxy bool
	cmd := &cobra.Command{
		Use:   "connect --client CLIENT",
		Short: "Connect an AI client, with a working key filled in",
		Long: `Connect AI clients to the hosted MCP server, with a working key filled in. Without --apply the command, link or URL
that does it is printed; with --apply the client's own file is changed.

The key is the organisation's active one: of those that are enabled and can be revealed, the one used last. When there is
none, one is made. --new-key makes one for each client, which "mcp disconnect --retire-key" deletes again.

--apply gives the key in the strongest way that the client has: a helper command that it runs to get the header, so that the
key stays in the keyring and a rotation needs no edit; else the key itself, in a file that only you can read. Clients that
start their servers get "keyfob mcp proxy". Nothing but the server's own entry changes in a file, several files change all or
not at all, the connection is proven afterwards, and "keyfob mcp undo" takes it back.

CLIENTS
` + clientTable(),
		Example: `$ keyfob mcp connect --client claude-code
$ keyfob mcp connect --client claude-code --client codex --apply
$ keyfob mcp connect --client all --apply --dry-run
$ sh -c "$(keyfob mcp connect --client claude-code)"`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if len(clients.ids) == 0 {
				e := cliutil.UsageError("--client is required")
				e.Hint = "name a client of `keyfob mcp clients`, or all"
				return e
			}
			if opts.Clients, err = clients.named(); err != nil {
				return err
			}
			opts.All = clients.all()
			if opts.Shell, err = ChooseShell(f, shell); err != nil {
				return err
			}
			if opts.Scope, err = cliutil.OneOf("scope", mcpclient.Scope(scope), mcpclient.Scopes()); err != nil {
				return err
			}
			opts.Rung = rungOf(literal, proxy, opts.EnvVar)
			if err := applyOnly(cmd, opts.Apply || opts.DryRun); err != nil {
				return err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, connectRun)
		},
	}
	clients.add(cmd, "the AI `CLIENT`: an id of \"keyfob mcp clients\", or all that are found; may be repeated")
	flags := cmd.Flags()
	flags.StringVar(&opts.Key, "key", "", "name or id of the `KEY` to use instead of the active one")
	flags.BoolVar(&opts.NewKey, "new-key", false, "make a key for each client on this machine")
	flags.StringVar(&shell, "shell", "", ShellUsage())
	flags.BoolVar(&opts.Print, "print", false, "print, and neither open a link nor offer to apply")
	flags.BoolVar(&opts.Browse, "open", false, "open the client's install link")
	flags.BoolVar(&opts.Apply, "apply", false, "write the client's file")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show what --apply would change, and change nothing")
	flags.StringVar(&scope, "scope", string(mcpclient.ScopeUser), "the `SCOPE` of the file: user or project")
	flags.StringVar(&opts.Name, "name", "", "the server's `NAME` in the client, instead of the service's")
	flags.StringVar(&opts.EnvVar, "env", "", "refer to the environment variable `VAR` instead of giving the key")
	flags.BoolVar(&literal, "literal", false, "write the key itself, where keyfob will not be at hand to help")
	flags.BoolVar(&proxy, "proxy", false, "have the client run keyfob mcp proxy")
	flags.StringVar(&opts.Bundle, "bundle", "", "write an extension for Claude Desktop to `FILE`.mcpb")
	cmd.MarkFlagsMutuallyExclusive("key", "new-key")
	cmd.MarkFlagsMutuallyExclusive("env", "literal", "proxy")
	cmd.MarkFlagsMutuallyExclusive("print", "open", "apply")
	cmd.MarkFlagsMutuallyExclusive("bundle", "apply")
	cmd.MarkFlagsMutuallyExclusive("bundle", "dry-run")
	cliutil.CompleteFlag(cmd, "shell", shellNames)
	cliutil.CompleteFlag(cmd, "scope", func() []cobra.Completion {
		return []cobra.Completion{string(mcpclient.ScopeUser), string(mcpclient.ScopeProject)}
	})
	cliutil.CompleteFlagWith(cmd, "key", completion.Key(f))
	return cmd
}

func rungOf(literal, proxy bool, variable string) mcpclient.Rung {
	switch {
	case literal:
		return mcpclient.RungLiteral
	case proxy:
		return mcpclient.RungProxy
	case variable != "":
		return mcpclient.RungEnv
	}
	return ""
}

// applyOnly refuses flags that say how a file is written where none is.
func applyOnly(cmd *cobra.Command, applied bool) error {
	if applied {
		return nil
	}
	for _, name := range []string{"scope", "env", "literal", "proxy"} {
		if cmd.Flags().Changed(name) {
			e := cliutil.UsageError("--%s says how a file is written", name)
			e.Hint = "add --apply, or --dry-run to see what it would change"
			return e
		}
	}
	return nil
}

// site is the service side of a connect.
type site struct {
	session *cliutil.Session
	org     string
	server  api.MCPServer
	named   bool // the user chose the server's name
}

func connectRun(ctx context.Context, opts *ConnectOptions) error {
	at, err := openSite(ctx, opts)
	if err != nil {
		return err
	}
	if opts.All {
		if err := onlyFound(opts); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(at.server.URL, at.session.Client.Origin()+"/") {
		opts.Out.Note("The MCP server is not at %s but at %s.", at.session.Client.Origin(), cliutil.Printable(at.server.URL))
	}
	switch {
	case opts.Bundle != "":
		return bundleRun(ctx, opts, at)
	case opts.DryRun:
		return previewRun(ctx, opts, at)
	case opts.Apply:
		return applyRun(ctx, opts, at)
	}
	return printRun(ctx, opts, at)
}

func openSite(ctx context.Context, opts *ConnectOptions) (site, error) {
	session, err := opts.Session(ctx)
	if err != nil {
		return site{}, err
	}
	at := site{session: session}
	if at.org, err = session.SelectOrg(ctx); err != nil {
		return at, err
	}
	if at.server, err = session.Client.MCP(ctx, at.org); err != nil {
		return at, err
	}
	if opts.Name != "" {
		at.server.Name, at.named = opts.Name, true
	}
	return at, nil
}

// onlyFound keeps of all clients those that are on this machine and that --apply can write, or that have a setup to print.
func onlyFound(opts *ConnectOptions) error {
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	var found []mcpclient.Client
	for _, c := range opts.Clients {
		if _, ok := c.Detect(connector.Where); !ok {
			continue
		}
		if (opts.Apply || opts.DryRun) && len(c.Targets(connector.Where, opts.Scope)) == 0 {
			opts.Out.Note("note: %s is left out: it has no file to write", c.Title)
			continue
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return &cliutil.Error{
			Code: "no-client", Exit: cliutil.ExitNotFound, Message: "no AI client was found on this machine",
			Hint: "name one with --client; `keyfob mcp clients` lists them",
		}
	}
	opts.Clients = found
	return nil
}
