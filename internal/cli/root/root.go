// Package root is the top of keyfob's command tree: the nouns, the global flags, help and completion. Building it reads
// no file, asks no keyring, opens no connection and starts no process. It must not know how any command works.
package root

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cli/auth"
	configcmd "github.com/keyfob/keyfob/internal/cli/config"
	"github.com/keyfob/keyfob/internal/cli/events"
	"github.com/keyfob/keyfob/internal/cli/keys"
	"github.com/keyfob/keyfob/internal/cli/mcp"
	"github.com/keyfob/keyfob/internal/cli/org"
	"github.com/keyfob/keyfob/internal/cli/quickstart"
	"github.com/keyfob/keyfob/internal/cli/serve"
	"github.com/keyfob/keyfob/internal/cli/trust"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/internal/config"
)

// New returns the command tree.
func New(f *cliutil.Factory) *cobra.Command {
	root := &cobra.Command{
		Use:   "keyfob",
		Short: "Run an organisation's API keys, and wire its hosted MCP server into AI clients",
		Example: `$ keyfob quickstart
$ keyfob keys create ci
$ keyfob mcp connect --client claude-code`,
	}
	root.Annotations = map[string]string{
		cliutil.LearnMore: "Use `keyfob help COMMAND` for a command, and `keyfob help environment|exit-codes|output` for a topic.",
	}
	cliutil.Root(f, root, config.GlobalFlags()...)
	cliutil.CompleteFlagWith(root, "context", completion.Contexts(f))
	cliutil.CompleteFlagWith(root, "org", completion.Orgs(f))
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Get started"},
		&cobra.Group{ID: "work", Title: "Keys and clients"},
		&cobra.Group{ID: "service", Title: "The service"},
	)
	cliutil.Group(root,
		grouped("start", quickstart.NewCmdQuickstart(f, nil)),
		grouped("start", auth.NewCmdAuth(f)),
		grouped("start", configcmd.NewCmdConfig(f)),
		grouped("work", keys.NewCmdKeys(f)),
		grouped("work", mcp.NewCmdMCP(f)),
		grouped("work", org.NewCmdOrg(f)),
		grouped("work", events.NewCmdEvents(f)),
		grouped("work", trust.NewCmdTrust(f)),
		grouped("service", serve.NewCmdServe(f, nil)),
		newCmdCompletion(f),
		newCmdVersion(f),
	)
	root.SetHelpCommand(newCmdHelp(f))
	root.Version = build.Version()
	return root
}

func grouped(id string, cmd *cobra.Command) *cobra.Command {
	cmd.GroupID = id
	return cmd
}
