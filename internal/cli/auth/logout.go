package auth

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/credentials"
)

// LogoutOptions is all that logoutRun needs.
type LogoutOptions struct {
	Session     func(context.Context) (*cliutil.Session, error)
	Credentials func() (*credentials.Store, error)
	Out         *cliutil.Output

	All bool
	ID  string
}

// NewCmdLogout returns "keyfob auth logout". runF replaces logoutRun in tests.
func NewCmdLogout(f *cliutil.Factory, runF func(context.Context, *LogoutOptions) error) *cobra.Command {
	opts := &LogoutOptions{Session: f.Session, Credentials: f.Credentials}
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End the session on the service and forget it here",
		Long: `End the session on the service and forget it here.

With --all, end your sessions on all machines and in all browsers, too; tokens that were made for programs go on.
With --session, end another session or a token by its id, and stay signed in here.`,
		Example: `$ keyfob auth logout
$ keyfob auth logout --context work
$ keyfob auth logout --all
$ keyfob auth logout --session ses_06h0i73m75qcfas3g2bpahomrg`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, logoutRun)
		},
	}
	cmd.Flags().BoolVar(&opts.All, "all", false, "sign out on all machines and in all browsers")
	cmd.Flags().StringVar(&opts.ID, "session", "", "end the session or token with this `ID` instead")
	cmd.MarkFlagsMutuallyExclusive("all", "session")
	return cmd
}

func logoutRun(ctx context.Context, opts *LogoutOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	if opts.ID != "" {
		return endOne(ctx, opts, session)
	}
	if session.Source.Kind == credentials.KindEnvironment {
		return &cliutil.Error{
			Code: "session-from-environment", Exit: cliutil.ExitFailed,
			Message: "the session comes from KEYFOB_TOKEN, which this command can't unset",
			Hint:    "unset KEYFOB_TOKEN",
		}
	}
	if session.Job {
		return session.Client.SignOut(ctx) // it is kept nowhere
	}
	if opts.All {
		return endAll(ctx, opts, session)
	}
	// The service first: a session that is forgotten here but lives on there could not be ended any more.
	ended := session.Client.SignOut(ctx)
	if isRefused(ended) {
		ended = nil // it had ended already
	}
	store, err := opts.Credentials()
	if err != nil {
		return err
	}
	if _, err := store.Delete(ctx, session.Ref); err != nil {
		if ended == nil {
			opts.Out.Note("The session ended on the service, but it could not be removed from %s.", session.Source)
		}
		return err
	}
	if ended != nil {
		opts.Out.Note("The session was removed from %s, but the service could not be told: it ends there when idle.", session.Source)
		return ended
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"context": session.Ref.Context, "url": session.Ref.Origin, "signed_out": true})
	}
	opts.Out.Note("Signed out of %s.", session.Ref.Origin)
	return nil
}
