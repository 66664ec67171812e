package org

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// MembersAddOptions is all that membersAddRun needs.
type MembersAddOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output

	Email string
	Role  string
}

// NewCmdMembersAdd returns "keyfob org members add". runF replaces membersAddRun in tests.
func NewCmdMembersAdd(f *cliutil.Factory, runF func(context.Context, *MembersAddOptions) error) *cobra.Command {
	opts := &MembersAddOptions{Session: f.Session}
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Invite somebody to the organisation",
		Long: `Invite somebody to the organisation.

Where the service keeps passwords, a link is printed that works once: send it to them by a way that you trust, and they make
their account there, or sign in to the one they have. Where an OpenID provider signs people in they are in as soon as they
sign in with this address. Asking again makes a new link and ends the one before.`,
		Example: `$ keyfob org members add ada@example.com
$ keyfob org members add ada@example.com --role admin
$ keyfob org members add ada@example.com -o json | jq -r .setup_url`,
		Args: cliutil.ExactArgs("the e-mail address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Email = args[0]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, membersAddRun)
		},
	}
	cmd.Flags().StringVar(&opts.Role, "role", string(api.RoleMember), "the `ROLE`: owner, admin, member or viewer")
	completeRole(cmd)
	return cmd
}

func completeRole(cmd *cobra.Command) {
	cliutil.CompleteFlag(cmd, "role", roles)
}

func roles() []cobra.Completion {
	var words []cobra.Completion
	for _, r := range api.Roles() {
		words = append(words, cobra.Completion(r))
	}
	return words
}

func membersAddRun(ctx context.Context, opts *MembersAddOptions) error {
	role, err := cliutil.OneOf("role", api.Role(opts.Role), api.Roles())
	if err != nil {
		return err
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	added, err := at.AddMember(ctx, at.Org, api.AddMemberRequest{Email: opts.Email, Role: role})
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(added)
	}
	email := cliutil.Printable(added.Member.Email)
	if added.SetupURL == "" {
		opts.Out.Note("Invited %s as %s: they are in when they sign in to %s with this address.", email, added.Member.Role, at.Origin())
		return nil
	}
	opts.Out.Note("Invited %s as %s. Send them this link; it works once, until %s:", email, added.Member.Role, cliutil.Stamp(added.Member.ExpiresAt))
	return opts.Out.Line("%s", cliutil.Printable(added.SetupURL))
}
