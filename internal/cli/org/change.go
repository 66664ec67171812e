package org

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
)

// MemberOptions is all that setRoleRun and removeRun need.
type MemberOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output

	Member string
	Role   string
	Yes    bool
}

// NewCmdMembersSetRole returns "keyfob org members set-role". runF replaces setRoleRun in tests.
func NewCmdMembersSetRole(f *cliutil.Factory, runF func(context.Context, *MemberOptions) error) *cobra.Command {
	opts := &MemberOptions{Session: f.Session}
	return &cobra.Command{
		Use:   "set-role MEMBER ROLE",
		Short: "Give a member another role; it counts from their next request on",
		Example: `$ keyfob org members set-role ada@example.com admin
$ keyfob org members set-role ada@example.com owner --org acme
$ keyfob org members set-role usr_06h0i73m75qcfas3g2bpahomrg viewer -o json`,
		Args: cliutil.ExactArgs("the member's e-mail address or id", "the role"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return roles(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
			}
			return completion.First(completion.Members(f))(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Member, opts.Role = args[0], args[1]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, setRoleRun)
		},
	}
}

func setRoleRun(ctx context.Context, opts *MemberOptions) error {
	role, err := cliutil.OneOf("role", api.Role(opts.Role), api.Roles())
	if err != nil {
		return err
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	m, err := at.UpdateMember(ctx, at.Org, opts.Member, role)
	if err != nil {
		return err
	}
	switch {
	case opts.Out.Structured():
		return opts.Out.Object(api.MemberEnvelope{Member: m})
	case opts.Out.Quiet:
		return opts.Out.Line("%s", cliutil.Printable(reference(m)))
	}
	opts.Out.Note("%s is now %s of %s.", cliutil.Printable(m.Email), m.Role, cliutil.Printable(at.Org))
	return nil
}

// NewCmdMembersRemove returns "keyfob org members remove". runF replaces removeRun in tests.
func NewCmdMembersRemove(f *cliutil.Factory, runF func(context.Context, *MemberOptions) error) *cobra.Command {
	opts := &MemberOptions{Session: f.Session}
	cmd := &cobra.Command{
		Use:   "remove MEMBER",
		Short: "Remove a member, or take an invitation back",
		Long: `Remove a member, or take an invitation back. It asks for the name on a terminal; --yes does without, and elsewhere it is
needed. Their access to the organisation, and the tokens that they made for programs in it, end at once; the keys they
created stay.`,
		Example: `$ keyfob org members remove ada@example.com
$ keyfob org members remove ada@example.com --yes
$ keyfob org members remove usr_06h0i73m75qcfas3g2bpahomrg --yes -o json`,
		Args:              cliutil.ExactArgs("the member's e-mail address or id"),
		ValidArgsFunction: completion.First(completion.Members(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Member = args[0]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, removeRun)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	return cmd
}

func removeRun(ctx context.Context, opts *MemberOptions) error {
	if err := opts.Out.YesOrAsk(opts.Yes, "removing a member"); err != nil {
		return err
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	if !opts.Yes {
		question := "This ends " + cliutil.Printable(opts.Member) + "'s access to " + cliutil.Printable(at.Org) + " and their tokens in it."
		if err := opts.Out.ConfirmByName(ctx, question, opts.Member); err != nil {
			return err
		}
	}
	if err := at.RemoveMember(ctx, at.Org, opts.Member); err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"member": opts.Member, "removed": true})
	}
	opts.Out.Note("Removed %s from %s.", cliutil.Printable(opts.Member), cliutil.Printable(at.Org))
	return nil
}
