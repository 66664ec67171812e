// Package events is the noun "events" of the command line: what happened in the organisation. It must not know HTTP or
// where credentials lie.
package events

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// NewCmdEvents returns "keyfob events".
func NewCmdEvents(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "See what happened: changes, reveals, sign-ins",
		Example: `$ keyfob events list --since 24h
$ keyfob events list --key ci --type key.revealed
$ keyfob events list --watch`,
	}
	return cliutil.Group(cmd, NewCmdList(f, nil))
}
