package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// DeleteOptions is all that deleteRun needs.
type DeleteOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Now     func() time.Time
	Out     *cliutil.Output

	Keys   []string
	Yes    bool
	Force  bool
	DryRun bool
}

// NewCmdDelete returns "keyfob keys delete". runF replaces deleteRun in tests.
func NewCmdDelete(f *cliutil.Factory, runF func(context.Context, *DeleteOptions) error) *cobra.Command {
	opts := &DeleteOptions{Session: f.Session, Now: f.Now}
	cmd := &cobra.Command{
		Use:     "delete KEY...",
		Aliases: []string{"rm"},
		Short:   "Delete keys for good",
		Long: `Delete keys for good. On a terminal each key's name has to be typed; a script gives --yes.

The service refuses to delete a key that was used in the last 24 hours. On a terminal you are shown when, and asked again;
a script has to add --force, and otherwise ends with exit code 5.`,
		Example: `$ keyfob keys delete ci
$ keyfob keys delete ci --dry-run
$ keyfob keys delete old-1 old-2 --yes`,
		Args:              someKeys,
		ValidArgsFunction: completeKeys(f, ""),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Keys = args
			if opts.Out, err = f.Output(); err != nil {
				return err
			}
			if !opts.Yes && !opts.DryRun && !opts.Out.CanPrompt() {
				e := cliutil.UsageError("nobody is there to confirm")
				e.Hint = "add --yes to delete without asking, or --dry-run to see what would break"
				return e
			}
			return cliutil.Run(cmd.Context(), opts, runF, deleteRun)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&opts.Force, "force", false, "delete keys that were used in the last 24 hours, too")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show who used the keys lately, and delete nothing")
	return cmd
}

func deleteRun(ctx context.Context, opts *DeleteOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	if opts.DryRun {
		return previewKeys(ctx, opts.Out, at, opts.Keys, "delete")
	}
	return actOn(ctx, opts.Out, opts.Keys, "deleted", func(ctx context.Context, name string) (api.Key, error) {
		return deleteKey(ctx, opts, at, name)
	})
}

func deleteKey(ctx context.Context, opts *DeleteOptions, at cliutil.OrgClient, name string) (api.Key, error) {
	// By id from here on: between the question and the deed the name may go to another key.
	key, err := at.Key(ctx, at.Org, name)
	if err != nil {
		return key, err
	}
	if !opts.Yes {
		question := fmt.Sprintf("Delete %s (%s) for good?", cliutil.Printable(key.Name), cliutil.Printable(key.Hint))
		if err := opts.Out.ConfirmByName(ctx, question, key.Name); err != nil {
			return key, err
		}
	}
	err = at.DeleteKey(ctx, at.Org, key.ID, client.DeleteKeyOptions{AcknowledgeRecentUse: opts.Force})
	var recent *client.Error
	if errors.As(err, &recent) && recent.Code == api.CodeKeyRecentlyUsed {
		err = deleteUsed(ctx, opts, at, key, recent)
	}
	return key, err
}

// deleteUsed asks again about a key that is in use, or says how a script goes on.
func deleteUsed(ctx context.Context, opts *DeleteOptions, at cliutil.OrgClient, key api.Key, recent *client.Error) error {
	often := "once"
	if recent.Calls24h != 1 {
		often = fmt.Sprintf("%d times", recent.Calls24h)
	}
	used := fmt.Sprintf("the key %s was used at %s, %s in the last 24 hours", key.Name, cliutil.Stamp(recent.LastUsedAt), often)
	if opts.Yes {
		e := cliutil.Describe(recent)
		e.Message = used
		e.Hint = "see who uses it with `keyfob keys delete " + cliutil.Word(key.Name) + " --dry-run`; add --force to delete it all the same"
		return e
	}
	question := fmt.Sprintf("In use: %s, last %s. What uses it will fail at once.", cliutil.Printable(used), cliutil.Ago(opts.Now(), recent.LastUsedAt))
	if err := opts.Out.ConfirmByName(ctx, question, key.Name); err != nil {
		return err
	}
	return at.DeleteKey(ctx, at.Org, key.ID, client.DeleteKeyOptions{AcknowledgeRecentUse: true})
}
