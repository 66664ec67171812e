package trust

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
)

// DeleteOptions is all that deleteRun needs.
type DeleteOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output

	Rule string
	Yes  bool
}

// NewCmdDelete returns "keyfob trust delete". runF replaces deleteRun in tests.
func NewCmdDelete(f *cliutil.Factory, runF func(context.Context, *DeleteOptions) error) *cobra.Command {
	opts := &DeleteOptions{Session: f.Session}
	cmd := &cobra.Command{
		Use:     "delete RULE",
		Aliases: []string{"rm"},
		Short:   "Delete a rule; the sessions of its jobs end at once",
		Long: `Delete a rule by name or id; the sessions of its jobs end at once. It asks for the name on a terminal; --yes does without, and
elsewhere it is needed.`,
		Example: `$ keyfob trust delete 'acme/app prod'
$ keyfob trust delete 'acme/app prod' --yes
$ keyfob trust delete tru_06h0i73m75qcfas3g2bpahomrg --yes -o json`,
		Args:              cliutil.ExactArgs("the rule's name or id"),
		ValidArgsFunction: completion.First(completion.TrustRules(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Rule = args[0]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, deleteRun)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	return cmd
}

func deleteRun(ctx context.Context, opts *DeleteOptions) error {
	if err := opts.Out.YesOrAsk(opts.Yes, "deleting a rule"); err != nil {
		return err
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	if !opts.Yes {
		if err := opts.Out.ConfirmByName(ctx, "Jobs that this rule lets in can't do anything any more.", opts.Rule); err != nil {
			return err
		}
	}
	if err := at.DeleteTrustRule(ctx, at.Org, opts.Rule); err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"trust_rule": opts.Rule, "deleted": true})
	}
	opts.Out.Note("Deleted the trust rule %s.", cliutil.Printable(opts.Rule))
	return nil
}
