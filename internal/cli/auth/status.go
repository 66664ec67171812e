package auth

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/api"
)

// StatusOptions is all that statusRun needs.
type StatusOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output
}

// status is what `auth status -o json` prints.
type status struct {
	Context string             `json:"context"`
	URL     string             `json:"url"`
	Org     string             `json:"org"`
	Source  credentials.Source `json:"source"`
	User    api.User           `json:"user"`
	Session api.Session        `json:"session"`
	Orgs    []api.Membership   `json:"orgs"`
}

func newStatus(name, url, org string, source credentials.Source, info api.SessionInfo) status {
	return status{Context: name, URL: url, Org: org, Source: source, User: info.User, Session: info.Session, Orgs: info.Orgs}
}

// NewCmdStatus returns "keyfob auth status". runF replaces statusRun in tests.
func NewCmdStatus(f *cliutil.Factory, runF func(context.Context, *StatusOptions) error) *cobra.Command {
	opts := &StatusOptions{Session: f.Session}
	return &cobra.Command{
		Use:   "status",
		Short: "Say who is signed in where, and where the session is kept",
		Long: `Say who is signed in where, and where the session is kept.

The service is asked, so the exit code can be relied on: 0 when the session is good, 4 when there is none or it was
refused.`,
		Example: `$ keyfob auth status
$ keyfob auth status -o json | jq -r .source.kind
$ keyfob auth status -q || keyfob auth login --with-token --url "$URL" < token.txt`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, statusRun)
		},
	}
}

func statusRun(ctx context.Context, opts *StatusOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	info, err := session.Client.Session(ctx)
	if err != nil {
		return err
	}
	s := newStatus(session.Ref.Context, session.Ref.Origin, session.Org, session.Source, info)
	if opts.Out.Structured() {
		return opts.Out.Object(s)
	}
	if opts.Out.Quiet {
		return nil
	}
	rows := [][]string{
		{"service", s.URL},
		{"context", s.Context},
		{"user", s.User.Name},
		{"session", s.Session.Hint + ", read from " + s.Source.String()},
		{"ends", cliutil.Stamp(&s.Session.ExpiresAt) + " unless used before"},
	}
	for _, m := range s.Orgs {
		rows = append(rows, []string{"org", m.Slug + " (" + string(m.Role) + ")"})
	}
	return opts.Out.Table(nil, rows)
}
