// Package keys is the noun "keys" of the command line: one file a verb. It must not know HTTP or where credentials lie.
package keys

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// NewCmdKeys returns "keyfob keys".
func NewCmdKeys(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Run the organisation's API keys, from making them to deleting them",
		Example: `$ keyfob keys create ci
$ keyfob keys list
$ keyfob keys disable ci --reason "leaked in a log"`,
	}
	return cliutil.Group(cmd,
		NewCmdCreate(f, nil), NewCmdList(f, nil), NewCmdShow(f, nil), NewCmdRename(f, nil), NewCmdEdit(f, nil),
		NewCmdDisable(f, nil), NewCmdEnable(f, nil), NewCmdReveal(f, nil), NewCmdCopy(f, nil),
		NewCmdRotate(f, nil), NewCmdLookup(f, nil), NewCmdDelete(f, nil),
	)
}
