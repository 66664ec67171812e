package auth

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

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
	Hostname    func() (string, error)
	OpenBrowser func(url string) error
	HasBrowser  func() bool

	URL       string
	WithToken bool
	NoBrowser bool
	Storage   storage
}

// NewCmdLogin returns "keyfob auth login". runF replaces loginRun in tests.
func NewCmdLogin(f *cliutil.Factory, runF func(context.Context, *LoginOptions) error) *cobra.Command {
	opts := &LoginOptions{
		Config: f.Config, Credentials: f.Credentials, NewClient: f.NewClient, Hostname: f.Hostname, OpenBrowser: f.OpenBrowser,
		HasBrowser: func() bool { return hasBrowser(f.GOOS, f.Env) },
	}
	cmd := &cobra.Command{
		Use:   "login --url URL",
		Short: "Sign in to a service",
		Long: `Sign in to a service: approve this machine on a page of the service, in a browser here or on any other device.

The session is kept in the OS keyring. Where there is none, or it can't be used, say where to keep it instead:
--credential-helper, --encrypted-storage or, as the last resort, --insecure-storage. Nothing is ever kept elsewhere
than was said. The service becomes a context of the name given with --context (its host's name otherwise).

In CI use a token: keyfob auth token --for ci … makes one for KEYFOB_TOKEN.`,
		Example: `$ keyfob auth login --url https://keys.example.com
$ keyfob auth login --url https://keys.example.com --no-browser --context work
$ pass show keyfob | keyfob auth login --with-token --url https://keys.example.com`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Storage.check(); err != nil {
				return err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, loginRun)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.URL, "url", "", "the service's `URL` (default: the selected context's)")
	flags.BoolVar(&opts.WithToken, "with-token", false, "read a session token from stdin instead")
	flags.BoolVar(&opts.NoBrowser, "no-browser", false, "open no browser; print what to open")
	opts.Storage.register(flags)
	cmd.MarkFlagsMutuallyExclusive(flagHelper, flagEncrypted, flagInsecure)
	return cmd
}

func loginRun(ctx context.Context, opts *LoginOptions) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	target, err := loginTarget(cfg, opts.URL)
	if err != nil {
		return err
	}
	if opts.Out.NoInput && !opts.WithToken {
		e := cliutil.UsageError("nobody is there to approve this machine: --no-input is set")
		e.Hint = "pipe a session token into the command with --with-token, or set KEYFOB_TOKEN"
		return e
	}
	before := refOf(target)
	opts.Storage.apply(&target)
	store, err := opts.Credentials()
	if err != nil {
		return err
	}
	old, err := keptBefore(ctx, store, before, refOf(target))
	if err != nil {
		return elsewhere(err)
	}
	token, err := newToken(ctx, opts, target.URL)
	if err != nil {
		return err
	}
	info, source, err := keep(ctx, opts, store, refOf(target), token)
	if err != nil {
		return elsewhere(err)
	}
	target.User = info.User.Name
	if !memberOf(info, target.Org) {
		target.Org = ""
	}
	if target.Org == "" && len(info.Orgs) == 1 {
		target.Org = info.Orgs[0].Slug
	}
	if err := errors.Join(config.WriteContext(cfg.Dir, target), config.UseContext(cfg.Dir, target.Name)); err != nil {
		return err
	}
	dropOld(ctx, opts, store, before, refOf(target), old, token)
	return sayLogin(opts, cfg, newStatus(target.Name, target.URL, target.Org, source, info))
}

// refOf names the credential of a context.
func refOf(c config.Context) credentials.Ref {
	return credentials.Ref{
		Origin: c.URL, Context: c.Name, LocalDir: c.LocalDir,
		Store: credentials.Choice{Kind: credentials.Kind(c.Store), Helper: c.Helper},
	}
}

// keptBefore returns the session that this sign-in replaces, zero without one. It asks the place that the new one is for, so
// that a keyring that can't be used is found out before anybody was sent to a browser.
func keptBefore(ctx context.Context, store *credentials.Store, before, now credentials.Ref) (secret.Secret, error) {
	if now.Store.Kind == credentials.KindEncrypted {
		return secret.Secret{}, nil // to ask for a passphrase twice would be worse
	}
	old, _, err := store.Stored(ctx, now)
	if errors.Is(err, credentials.ErrUnavailable) || err != nil && !replaceable(err) {
		return secret.Secret{}, err
	}
	if before != now && before.Store.Kind != credentials.KindEncrypted {
		old, _, _ = store.Stored(ctx, before) // a place that fails is why another was chosen
	}
	return old, nil
}

// elsewhere adds to the failure of a keyring where else the session can be kept: that is for the person to say.
func elsewhere(err error) error {
	var place *credentials.Error
	if !errors.Is(err, credentials.ErrUnavailable) || !errors.As(err, &place) {
		return err
	}
	e := cliutil.Describe(err)
	e.Hint = "say where to keep the session: --" + flagHelper + " PROGRAM, --" + flagEncrypted + " or --" + flagInsecure
	return e
}

// replaceable says that nothing, or nothing of use, lies where the new session goes.
func replaceable(err error) bool {
	return errors.Is(err, credentials.ErrNone) || errors.Is(err, credentials.ErrUnusable)
}

// newToken gets a session: from stdin, or from the service once a person has approved.
func newToken(ctx context.Context, opts *LoginOptions, origin string) (secret.Secret, error) {
	if opts.WithToken {
		return readToken(ctx, opts.Out)
	}
	return deviceToken(ctx, opts, origin)
}

// keep proves the session and stores it. One that could not be stored is ended, if it was made here: nobody could end it later.
func keep(ctx context.Context, opts *LoginOptions, store *credentials.Store, ref credentials.Ref, token secret.Secret) (
	info api.SessionInfo, source credentials.Source, err error,
) {
	c, err := opts.NewClient(ref.Origin, token)
	if err != nil {
		return info, source, err
	}
	if info, err = c.Session(ctx); err == nil {
		source, err = store.Put(ctx, ref, token)
	}
	if err != nil && !opts.WithToken {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWait)
		defer cancel()
		if endErr := c.SignOut(stop); endErr != nil {
			opts.Out.Note("The new session could not be ended on the service: it ends there when idle.")
		}
	}
	return info, source, err
}

// endWait bounds the end of a session that nobody waits for.
const endWait = 5 * time.Second

// dropOld ends the session that this one replaced, now that the new one is stored and proven, and clears the place that it lay in.
func dropOld(ctx context.Context, opts *LoginOptions, store *credentials.Store, before, now credentials.Ref, old, token secret.Secret) {
	if before != now {
		if _, err := store.Delete(ctx, before); err != nil && !errors.Is(err, credentials.ErrUnavailable) {
			opts.Out.Note("The earlier session is still in its old place: %s.", cliutil.Printable(err.Error()))
		}
	}
	if old.IsZero() || old.Reveal() == token.Reveal() || opts.WithToken {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	if c, err := opts.NewClient(now.Origin, old); err == nil {
		_ = c.SignOut(ctx) // it may have ended already; otherwise it ends when idle
	}
}

func memberOf(info api.SessionInfo, org string) bool {
	for _, m := range info.Orgs {
		if m.Slug == org {
			return true
		}
	}
	return false
}

func sayLogin(opts *LoginOptions, cfg *config.Config, s status) error {
	warnOverride(opts.Out, cfg)
	if opts.Out.Structured() {
		return opts.Out.Object(s)
	}
	opts.Out.Note("Signed in to %s as %s; the session is kept in %s.", s.URL, cliutil.Printable(s.User.Name), s.Source)
	opts.Out.Note("The context is %q.", s.Context)
	switch {
	case len(s.Orgs) == 0:
		opts.Out.Note("You belong to no organisation yet: ask its owner for `keyfob org members add`.")
	case s.Org == "":
		opts.Out.Note("You belong to %d organisations; choose one with `keyfob org use SLUG`.", len(s.Orgs))
	}
	return nil
}

// warnOverride says that KEYFOB_TOKEN goes before the session that a command is about.
func warnOverride(out *cliutil.Output, cfg *config.Config) {
	if cfg.String(config.OptToken) != "" {
		out.Note("warning: KEYFOB_TOKEN is set and goes before this session; unset it to use the session.")
	}
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
	if known, err := config.ReadContext(cfg.Dir, target.Name); err == nil && known.URL == target.URL {
		target = *known
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
