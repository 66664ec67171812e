// Package mcp is the noun "mcp" of the command line: wiring the hosted MCP server into AI clients. It must not know how
// any one client is set up; internal/mcpclient does.
package mcp

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// NewCmdMCP returns "keyfob mcp".
func NewCmdMCP(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Connect AI clients to the hosted MCP server",
		Example: `$ keyfob mcp connect --client claude-code
$ keyfob mcp connect --client all --apply
$ keyfob mcp status`,
	}
	return cliutil.Group(cmd,
		NewCmdAudit(f, nil), NewCmdClients(f, nil), NewCmdConnect(f, nil), NewCmdDisconnect(f, nil), NewCmdHeaders(f, nil), NewCmdProxy(f, nil),
		NewCmdStatus(f, nil), NewCmdTest(f, nil), NewCmdUndo(f, nil),
	)
}
