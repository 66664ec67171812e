package keys

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// RenameOptions is all that renameRun needs.
type RenameOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output

	Key, Name string
}

// NewCmdRename returns "keyfob keys rename". runF replaces renameRun in tests.
func NewCmdRename(f *cliutil.Factory, runF func(context.Context, *RenameOptions) error) *cobra.Command {
	opts := &RenameOptions{Session: f.Session}
	return &cobra.Command{
		Use:   "rename KEY NAME",
		Short: "Give a key another name; id and secret stay",
		Example: `$ keyfob keys rename ci ci-main
$ keyfob keys rename key_06h0i73m75qcfas3g2bpahomrg ci
$ keyfob keys rename ci ci-main -o json`,
		Args:              cliutil.ExactArgs("the key's name or id", "the new name"),
		ValidArgsFunction: completeKey(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key, opts.Name = args[0], args[1]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, renameRun)
		},
	}
}

func renameRun(ctx context.Context, opts *RenameOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	key, err := at.UpdateKey(ctx, at.Org, opts.Key, api.UpdateKeyRequest{Name: &opts.Name})
	if err != nil {
		return err
	}
	switch {
	case opts.Out.Structured():
		return opts.Out.Object(api.KeyEnvelope{Key: key})
	case opts.Out.Quiet:
		return opts.Out.Line("%s", cliutil.Printable(key.ID))
	}
	opts.Out.Note("Renamed %s to %s.", cliutil.Printable(opts.Key), cliutil.Printable(key.Name))
	return nil
}
