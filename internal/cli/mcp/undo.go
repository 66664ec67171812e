package mcp

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpconnect"
)

// UndoOptions is all that undoRun needs.
type UndoOptions struct {
	Connector func() (mcpconnect.Connector, error)
	Out       *cliutil.Output
}

// NewCmdUndo returns "keyfob mcp undo". runF replaces undoRun in tests.
func NewCmdUndo(f *cliutil.Factory, runF func(context.Context, *UndoOptions) error) *cobra.Command {
	opts := &UndoOptions{Connector: func() (mcpconnect.Connector, error) { return NewConnector(f) }}
	return &cobra.Command{
		Use:   "undo",
		Short: "Take the last connect or disconnect back",
		Long: `Take the last "mcp connect --apply" or "mcp disconnect" back: every file is again what it was before, to the byte. A file
that was changed since is refused, and then none is touched. Keys stay as they are.`,
		Example: `$ keyfob mcp undo
$ keyfob mcp connect --client all --apply && keyfob mcp test || keyfob mcp undo
$ keyfob mcp undo -o json | jq -r '.files[]'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, undoRun)
		},
	}
}

func undoRun(ctx context.Context, opts *UndoOptions) error {
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	what, paths, err := connector.Undo(ctx)
	if err != nil {
		return failure(err)
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"undone": what, "files": paths})
	}
	opts.Out.Note("Took the last %s back. As they were before:", what)
	for _, path := range paths {
		if err := opts.Out.Line("%s", cliutil.Printable(path)); err != nil {
			return err
		}
	}
	return nil
}
