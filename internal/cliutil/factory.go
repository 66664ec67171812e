// Package cliutil is what every command shares: the factory of its dependencies, the IO streams, output, errors, help
// and argument rules. It must not know any single command, nor the service's side (server, core, store).
package cliutil

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/keyfob/keyfob/internal/browser"
	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/clipboard"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Factory hands a command what it depends on. Members that cost anything are functions that work when they are called,
// never while the command tree is built; tests replace any of them.
type Factory struct {
	IO         *IOStreams
	Env        func(string) string
	GOOS       string
	Now        func() time.Time
	Executable func() (string, error)
	Hostname   func() (string, error)
	// Environ is the whole environment, for a process below this one.
	Environ func() []string
	// OpenBrowser has the desktop open a URL that holds no secret.
	OpenBrowser func(url string) error
	// CopyToClipboard puts a secret on the clipboard and says with what.
	CopyToClipboard func(ctx context.Context, text string) (how string, err error)

	// Config resolves the options once.
	Config func() (*config.Config, error)
	// Credentials opens nothing; it is the place to ask.
	Credentials func() (*credentials.Store, error)
	// Session finds the service and the session that the options select.
	Session func(ctx context.Context) (*Session, error)
	// Output is the format that the options select.
	Output func() (*Output, error)

	// Flags is the root command's persistent flags; the root sets it.
	Flags *pflag.FlagSet

	once      bool        // requests are made a single time
	exchanged *jobSession // shared by all copies of the factory
}

// Session is the service that the options select and the credential for it.
type Session struct {
	Client *client.Client
	Ref    credentials.Ref
	Source credentials.Source
	// Org is the selected organisation's slug; empty: none is selected.
	Org string
	// Token is the session's; it is zero in tests that need none.
	Token secret.Secret
	// Job says that the session was given for a CI job's token, which is Source; it is kept nowhere.
	Job bool
}

// NewFactory returns the factory of a process with these streams and this environment. It reads nothing.
func NewFactory(streams *IOStreams, env func(string) string) *Factory {
	f := &Factory{
		IO: streams, Env: env, GOOS: runtime.GOOS, Now: time.Now,
		Executable: os.Executable, Hostname: os.Hostname, Environ: os.Environ, OpenBrowser: browser.Open,
		exchanged: &jobSession{},
	}
	board := clipboard.Clipboard{Env: env}
	if streams.ErrTTY {
		board.Terminal = streams.ErrOut
	}
	f.CopyToClipboard = board.Copy
	f.wire()
	return f
}

// SystemFactory returns the factory of this process.
func SystemFactory() *Factory { return NewFactory(SystemStreams(), os.Getenv) }

// wire sets the lazy members, each from those before it.
func (f *Factory) wire() {
	f.Config = sync.OnceValues(func() (*config.Config, error) {
		return config.Load(config.Params{Env: f.Env, Flags: f.Flags, GOOS: f.GOOS})
	})
	f.Credentials = sync.OnceValues(func() (*credentials.Store, error) { return f.openStore(false) })
	f.Output = func() (*Output, error) {
		cfg, err := f.Config()
		if err != nil {
			return nil, err
		}
		return newOutput(f.IO, f.Env, cfg.String(config.OptOutput), cfg.Bool(config.OptQuiet), cfg.Bool(config.OptNoInput))
	}
	f.Session = f.openSession
}

func (f *Factory) openStore(unattended bool) (*credentials.Store, error) {
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	return credentials.New(credentials.Config{
		EnvToken: cfg.String(config.OptToken), Env: f.Env, Environ: f.Environ, GOOS: f.GOOS, Dir: cfg.Dir, Passphrase: f.Passphrase,
		Unattended: unattended,
	}), nil
}

// Unattended returns a factory for work that a program started, not a person: nobody is asked for anything, no sign of progress is
// shown, and a request is made once, since whoever waits has little patience. Its store of credentials is a new one, with its
// time unspent.
func (f *Factory) Unattended() *Factory {
	streams := *f.IO
	streams.InTTY, streams.ErrTTY, streams.ReadPassword, streams.RestoreTerminal = false, false, nil, nil
	alone := *f
	alone.IO, alone.once = &streams, true
	alone.Credentials = sync.OnceValues(func() (*credentials.Store, error) { return alone.openStore(true) })
	alone.Session = alone.openSession
	return &alone
}

// NewClient returns a client for a service; the token may be zero.
func (f *Factory) NewClient(url string, token secret.Secret) (*client.Client, error) {
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		URL: url, Token: token, UserAgent: "keyfob/" + build.Version(), Trace: f.trace(cfg.Bool(config.OptDebug)),
		Waiting: newProgress(f.IO, f.Env, cfg.Bool(config.OptQuiet)), Once: f.once,
	})
}

// Ref names the credential of the service at url in the selected context.
func (f *Factory) Ref(url string) (credentials.Ref, error) {
	cfg, err := f.Config()
	if err != nil {
		return credentials.Ref{}, err
	}
	origin, err := client.ParseURL(url)
	if err != nil {
		return credentials.Ref{}, err
	}
	ref := credentials.Ref{Origin: origin.String(), Context: "default"}
	if cfg.Context == nil {
		return ref, nil
	}
	ref.Context = cfg.Context.Name
	// The file in a local service's folder is that service's alone, whatever URL the environment names instead.
	if cfg.Context.URL == ref.Origin {
		ref.LocalDir = cfg.Context.LocalDir
		ref.Store = credentials.Choice{Kind: credentials.Kind(cfg.Context.Store), Helper: cfg.Context.Helper}
	}
	return ref, nil
}

func (f *Factory) openSession(ctx context.Context) (*Session, error) {
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	if err := cfg.ContextErr(); err != nil {
		return nil, err
	}
	url := cfg.String(config.OptURL)
	if url == "" {
		return nil, NotSignedIn("no service is selected")
	}
	ref, err := f.Ref(url)
	if err != nil {
		return nil, err
	}
	token, source, isJob, err := f.job(ctx, cfg)
	if !isJob {
		token, source, err = f.stored(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	c, err := f.NewClient(url, token)
	if err != nil {
		return nil, err
	}
	return &Session{Client: c, Ref: ref, Source: source, Org: cfg.String(config.OptOrg), Token: token, Job: isJob}, nil
}

func (f *Factory) stored(ctx context.Context, ref credentials.Ref) (secret.Secret, credentials.Source, error) {
	store, err := f.Credentials()
	if err != nil {
		return secret.Secret{}, credentials.Source{}, err
	}
	token, source, err := store.Get(ctx, ref)
	if errors.Is(err, credentials.ErrNone) {
		return token, source, noSession(ref, err)
	}
	return token, source, err
}

// noSession says that there is no session for the service; where this machine has no keyring either, that is the next step.
func noSession(ref credentials.Ref, err error) *Error {
	e := NotSignedIn("not signed in to " + ref.Origin)
	var place *credentials.Error
	if errors.Is(err, credentials.ErrUnavailable) && errors.As(err, &place) {
		e.Hint = place.Hint
	}
	return e
}

// SelectOrg returns the selected organisation, or the only one that the session's user belongs to.
func (s *Session) SelectOrg(ctx context.Context) (string, error) {
	if s.Org != "" {
		return s.Org, nil
	}
	info, err := s.Client.Session(ctx)
	if err != nil {
		return "", err
	}
	if len(info.Orgs) != 1 {
		return "", &Error{
			Code: "org-not-selected", Exit: ExitUsage,
			Message: "no organisation is selected", Hint: "name it with --org or KEYFOB_ORG",
		}
	}
	s.Org = info.Orgs[0].Slug
	return s.Org, nil
}

// NotSignedIn says that there is no session, and how to get one.
func NotSignedIn(message string) *Error {
	return &Error{
		Code: "not-signed-in", Exit: ExitAuth, Message: message,
		Hint: "start a local service with `keyfob quickstart`, sign in with `keyfob auth login --url URL`, or set KEYFOB_URL and KEYFOB_TOKEN",
	}
}

func (f *Factory) trace(on bool) func(string) {
	if !on {
		return nil
	}
	return func(line string) { _, _ = f.IO.ErrOut.Write([]byte("debug: " + Printable(line) + "\n")) }
}
