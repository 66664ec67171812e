package auth

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// LogoutOptions is all that logoutRun needs.
type LogoutOptions struct {
	Session     func(context.Context) (*cliutil.Session, error)
	Credentials func() (*credentials.Store, error)
	Out         *cliutil.Output
}

// NewCmdLogout returns "keyfob auth logout". runF replaces logoutRun in tests.
func NewCmdLogout(f *cliutil.Factory, runF func(context.Context, *LogoutOptions) error) *cobra.Command {
	opts := &LogoutOptions{Session: f.Session, Credentials: f.Credentials}
	return &cobra.Command{
		Use:   "logout",
		Short: "End the session on the service and forget it here",
		Example: `$ keyfob auth logout
$ keyfob auth logout --context work
$ keyfob auth logout -o json`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, logoutRun)
		},
	}
}

func logoutRun(ctx context.Context, opts *LogoutOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	if session.Source.Kind == credentials.KindEnvironment {
		return &cliutil.Error{
			Code: "session-from-environment", Exit: cliutil.ExitFailed,
			Message: "the session comes from KEYFOB_TOKEN, which this command can't unset",
			Hint:    "unset KEYFOB_TOKEN",
		}
	}
	// The service first: a session that is forgotten here but lives on there could not be ended any more.
	ended := session.Client.SignOut(ctx)
	var answered *client.Error
	if errors.As(ended, &answered) && answered.Code == api.CodeUnauthenticated {
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
