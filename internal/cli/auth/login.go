package auth

import (
	"context"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// LoginOptions is all that loginRun needs.
type LoginOptions struct {
	Out         *cliutil.Output
	Config      func() (*config.Config, error)
	Credentials func() (*credentials.Store, error)
	NewClient   func(url string, token secret.Secret) (*client.Client, error)

	URL       string
	Context   string
	WithToken bool
}

// NewCmdLogin returns "keyfob auth login". runF replaces loginRun in tests.
func NewCmdLogin(f *cliutil.Factory, runF func(context.Context, *LoginOptions) error) *cobra.Command {
	opts := &LoginOptions{Config: f.Config, Credentials: f.Credentials, NewClient: f.NewClient}
	cmd := &cobra.Command{
		Use:   "login --with-token --url URL",
		Short: "Sign in with a session token from stdin",
		Long: `Sign in with a session token from stdin.

The token is proven against the service, then kept in the OS keyring, and the service becomes a context of the name
given with --context (its host's name otherwise).`,
		Example: `$ keyfob auth login --with-token --url https://keys.example.com < token.txt
$ pass show keyfob | keyfob auth login --with-token --url https://keys.example.com --context work
$ keyfobd bootstrap --org acme | jq -r .session | keyfob auth login --with-token --url http://127.0.0.1:7420`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, loginRun)
		},
	}
	cmd.Flags().BoolVar(&opts.WithToken, "with-token", false, "read the session token from stdin")
	cmd.Flags().StringVar(&opts.URL, "url", "", "the service's `URL` (default: the selected context's)")
	return cmd
}

func loginRun(ctx context.Context, opts *LoginOptions) error {
	if !opts.WithToken {
		err := cliutil.UsageError("--with-token is required")
		err.Hint = "pipe a session token into `keyfob auth login --with-token --url URL`"
		return err
	}
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	target, err := loginTarget(cfg, opts.URL)
	if err != nil {
		return err
	}
	token, err := readToken(ctx, opts.Out)
	if err != nil {
		return err
	}
	info, err := proveToken(ctx, opts, target.URL, token)
	if err != nil {
		return err
	}
	store, err := opts.Credentials()
	if err != nil {
		return err
	}
	source, err := store.Put(ctx, credentials.Ref{Origin: target.URL, Context: target.Name}, token)
	if err != nil {
		return err
	}
	target.User = info.User.Name
	if len(info.Orgs) == 1 {
		target.Org = info.Orgs[0].Slug
	}
	if err := config.WriteContext(cfg.Dir, target); err != nil {
		return err
	}
	if err := config.UseContext(cfg.Dir, target.Name); err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(newStatus(target.Name, target.URL, target.Org, source, info))
	}
	opts.Out.Note("Signed in to %s as %s; the session is kept in %s.", target.URL, cliutil.Printable(info.User.Name), source)
	opts.Out.Note("The context is %q.", target.Name)
	return nil
}

// loginTarget is the context that signing in makes: the URL of the flag or of the selected context, under the name of
// --context, else the name it already has, else the host's.
func loginTarget(cfg *config.Config, raw string) (config.Context, error) {
	if raw == "" {
		raw = cfg.String(config.OptURL)
	}
	if raw == "" {
		err := cliutil.UsageError("no service is named")
		err.Hint = "name it with --url"
		return config.Context{}, err
	}
	origin, err := client.ParseURL(raw)
	if err != nil {
		return config.Context{}, err
	}
	target := config.Context{Name: cfg.String(config.OptContext), URL: origin.String()}
	if cfg.Origin(config.OptContext) == config.OriginContext && (cfg.Context == nil || cfg.Context.URL != target.URL) {
		target.Name = "" // the current context is another service's
	}
	if target.Name == "" {
		target.Name = contextName(origin)
	}
	return target, config.CheckName(target.Name)
}

func contextName(u *url.URL) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-", r) {
			return r
		}
		return '-'
	}, u.Host)
	return strings.Trim(name, "-.")
}

func proveToken(ctx context.Context, opts *LoginOptions, origin string, token secret.Secret) (api.SessionInfo, error) {
	c, err := opts.NewClient(origin, token)
	if err != nil {
		return api.SessionInfo{}, err
	}
	return c.Session(ctx)
}
