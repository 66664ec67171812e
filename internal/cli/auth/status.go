package auth

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/api"
)

// StatusOptions is all that statusRun needs.
type StatusOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Config  func() (*config.Config, error)
	Now     func() time.Time
	Out     *cliutil.Output

	All     bool
	Offline bool
}

// status is what `auth status -o json` prints. Role is the user's in Org; both are empty while no organisation is selected.
type status struct {
	Context string             `json:"context"`
	URL     string             `json:"url"`
	Org     string             `json:"org"`
	Role    api.Role           `json:"role"`
	Source  credentials.Source `json:"source"`
	User    api.User           `json:"user"`
	Session api.Session        `json:"session"`
	Orgs    []api.Membership   `json:"orgs"`
}

func newStatus(name, url, org string, source credentials.Source, info api.SessionInfo) status {
	s := status{Context: name, URL: url, Org: org, Source: source, User: info.User, Session: info.Session, Orgs: info.Orgs}
	if org == "" && len(info.Orgs) == 1 {
		s.Org = info.Orgs[0].Slug
	}
	for _, m := range info.Orgs {
		if m.Slug == s.Org {
			s.Role = m.Role
		}
	}
	return s
}

// NewCmdStatus returns "keyfob auth status". runF replaces statusRun in tests.
func NewCmdStatus(f *cliutil.Factory, runF func(context.Context, *StatusOptions) error) *cobra.Command {
	opts := &StatusOptions{Session: f.Session, Config: f.Config, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say who is signed in where, and where the session is kept",
		Long: `Say who is signed in where, and where the session is kept.

The service is asked, so the exit code can be relied on: 0 when the session is good, 4 when there is none or it was
refused. With --offline nothing but the place where the session is kept is asked.

With --all, list your sessions on the service instead, tokens among them; keyfob auth logout --session ID ends one.`,
		Example: `$ keyfob auth status
$ keyfob auth status -o json | jq -r .source.kind
$ keyfob auth status -q || keyfob auth login --url "$URL"
$ keyfob auth status --all`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, statusRun)
		},
	}
	cmd.Flags().BoolVar(&opts.All, "all", false, "list all of your sessions on the service")
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "ask no service")
	cmd.MarkFlagsMutuallyExclusive("all", "offline")
	return cmd
}

func statusRun(ctx context.Context, opts *StatusOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	switch {
	case opts.Offline:
		return offline(opts, session)
	case opts.All:
		return listSessions(ctx, opts, session)
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
	if err := overridden(opts, session); err != nil {
		return err
	}
	ends := " unless used before"
	if s.Session.Kind != api.SessionCLI {
		ends = ""
	}
	rows := [][]string{
		{"service", s.URL},
		{"context", s.Context},
		{"user", named(s.User)},
		{"session", s.Session.Hint + ", read from " + s.Source.String()},
		{"ends", cliutil.Stamp(&s.Session.ExpiresAt) + ends},
	}
	for _, m := range s.Orgs {
		selected := ""
		if m.Slug == s.Org && len(s.Orgs) > 1 {
			selected = ", selected"
		}
		rows = append(rows, []string{"org", m.Slug + " (" + string(m.Role) + selected + ")"})
	}
	for _, p := range s.Session.Permissions {
		rows = append(rows, []string{"permission", string(p)})
	}
	return opts.Out.Table(nil, rows)
}

func named(u api.User) string {
	if u.Email == "" {
		return u.Name
	}
	return u.Name + " <" + u.Email + ">"
}

// overridden warns that KEYFOB_TOKEN goes before the session of a context.
func overridden(opts *StatusOptions, session *cliutil.Session) error {
	cfg, err := opts.Config()
	if err == nil && cfg.Context != nil && session.Source.Kind == credentials.KindEnvironment {
		opts.Out.Note("warning: KEYFOB_TOKEN is set and goes before the session of the context %q.", session.Ref.Context)
	}
	return err
}

// offline says what is known here: that there is a session, not that it is good.
func offline(opts *StatusOptions, session *cliutil.Session) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	user := ""
	if cfg.Context != nil {
		user = cfg.Context.User
	}
	switch {
	case opts.Out.Structured():
		return opts.Out.Object(map[string]any{
			"context": session.Ref.Context, "url": session.Ref.Origin, "org": session.Org, "source": session.Source,
			"user": map[string]string{"name": user}, "offline": true,
		})
	case opts.Out.Quiet:
		return nil
	}
	return opts.Out.Table(nil, [][]string{
		{"service", session.Ref.Origin},
		{"context", session.Ref.Context},
		{"user", user},
		{"org", session.Org},
		{"session", "read from " + session.Source.String() + "; the service was not asked"},
	})
}
