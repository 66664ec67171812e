package auth

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// TokenOptions is all that tokenRun needs.
type TokenOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Env     func(string) string
	Out     *cliutil.Output

	For         string
	Permissions []string
	Expires     time.Time
}

// NewCmdToken returns "keyfob auth token". runF replaces tokenRun in tests.
func NewCmdToken(f *cliutil.Factory, runF func(context.Context, *TokenOptions) error) *cobra.Command {
	opts := &TokenOptions{Session: f.Session, Env: f.Env}
	expires := &cliutil.When{Now: f.Now}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print the session's token, or make one for a program with --for",
		Long: `Print the session's token and nothing else.

With --for, make a new session for a program, such as a CI job: it has only the permissions that are named, in the selected
organisation, never more than you have yourself, and ends when it expires. Give it to the program as KEYFOB_TOKEN, with the
service's URL as KEYFOB_URL. It is listed by keyfob auth status --all and ended by keyfob auth logout --session ID.`,
		Example: `$ keyfob auth token --for ci --permission keys:rotate --permission keys:read --expires 90d
$ keyfob auth token --for ci --permission keys:read --expires 30d -o json | jq -r .session.id
$ keyfob auth token | wl-copy`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Expires = expires.At
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, tokenRun)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.For, "for", "", "make a token for the program of this `NAME`")
	flags.StringArrayVar(&opts.Permissions, "permission", nil, "what it may do, such as keys:read; may be `GIVEN` again")
	flags.Var(expires, "expires", "`WHEN` it ends: a span such as 90d (at most 366d), a date or an RFC 3339 time")
	cliutil.CompleteFlag(cmd, "permission", func() []cobra.Completion { return words(api.Permissions()) })
	cmd.MarkFlagsRequiredTogether("for", "permission", "expires")
	return cmd
}

func tokenRun(ctx context.Context, opts *TokenOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	if opts.For == "" {
		if session.Job && opts.Env("GITHUB_ACTIONS") == "true" { // the runner blots it out of its log, wherever it is printed later
			_, _ = io.WriteString(opts.Out.IO.ErrOut, "::add-mask::"+session.Token.Reveal()+"\n")
		}
		if opts.Out.Structured() {
			return opts.Out.Object(map[string]string{"token": session.Token.Reveal()})
		}
		return opts.Out.Line("%s", session.Token.Reveal())
	}
	if err := opts.Out.TakesSecret(); err != nil {
		return err
	}
	org, err := session.SelectOrg(ctx)
	if err != nil {
		return err
	}
	in := api.CreateTokenRequest{Name: opts.For, ExpiresAt: opts.Expires}
	for _, p := range opts.Permissions {
		known, err := cliutil.OneOf("permission", api.Permission(strings.TrimSpace(p)), api.Permissions())
		if err != nil {
			return err
		}
		in.Permissions = append(in.Permissions, known)
	}
	made, token, err := session.Client.CreateToken(ctx, org, in)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return notWritten(made, opts.Out.Object(api.TokenCreated{Session: made, Token: token.Reveal()}))
	}
	if err := opts.Out.Line("%s", token.Reveal()); err != nil {
		return notWritten(made, err)
	}
	opts.Out.Note("It ends at %s; end it before with: keyfob auth logout --session %s", cliutil.Stamp(&made.ExpiresAt), cliutil.Printable(made.ID))
	opts.Out.Note("Set KEYFOB_TOKEN to it and KEYFOB_URL to %s; it is not shown again.", session.Ref.Origin)
	return nil
}

func notWritten(made api.Session, err error) error {
	return cliutil.SecretNotWritten(err, "the token "+cliutil.Quoted(made.Name)+" was made, but it",
		"end it, and make it again: keyfob auth logout --session "+made.ID)
}

// words makes the values of a table what completion offers.
func words[S ~string](values []S) []cobra.Completion {
	out := make([]cobra.Completion, len(values))
	for i, v := range values {
		out[i] = cobra.Completion(v)
	}
	return out
}
