package keys

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// CreateOptions is all that createRun needs.
type CreateOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output

	Name       string
	Tags       []string
	Expires    time.Time     // zero: never
	RateLimit  api.RateLimit // zero: none
	SecretFile string
}

// NewCmdCreate returns "keyfob keys create". runF replaces createRun in tests.
func NewCmdCreate(f *cliutil.Factory, runF func(context.Context, *CreateOptions) error) *cobra.Command {
	opts := &CreateOptions{Session: f.Session}
	expires, rate := &cliutil.When{Now: f.Now}, &cliutil.Rate{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key and print its secret",
		Long: `Make a key and print its secret.

The secret is the only thing on stdout; with --secret-file it goes to a new file that only you can read, and nothing is
printed. A name is 1 to 64 printable characters and unique within the organisation, regardless of case.

` + rateHelp,
		Example: `$ keyfob keys create ci
$ SECRET=$(keyfob keys create ci -q)
$ keyfob keys create deploy --expires 90d --tag team=web --secret-file deploy.key`,
		Args: cliutil.ExactArgs("the key's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name, opts.Expires, opts.RateLimit = args[0], expires.At, rate.Limit
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, createRun)
		},
	}
	cmd.Flags().Var(expires, "expires", "`WHEN` the key ends: a span such as 90d, a date or an RFC 3339 time (default never)")
	cmd.Flags().StringArrayVar(&opts.Tags, "tag", nil, "a tag, `NAME=VALUE`; may be repeated")
	cmd.Flags().Var(rate, "rate-limit", rateUsage+" (default none)")
	cmd.Flags().StringVar(&opts.SecretFile, "secret-file", "", "new `FILE` for the secret, readable by you alone")
	cliutil.CompleteFlagWith(cmd, "rate-limit", completion.Rates())
	cliutil.CompleteFlagWith(cmd, "tag", completion.Tags(f))
	return cmd
}

func createRun(ctx context.Context, opts *CreateOptions) error {
	tags, err := parseTags(opts.Tags)
	if err != nil {
		return err
	}
	if opts.SecretFile == "" {
		if err := opts.Out.TakesSecret(); err != nil {
			return err
		}
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	in := api.CreateKeyRequest{Name: opts.Name, Tags: tags}
	if !opts.Expires.IsZero() {
		in.ExpiresAt = &opts.Expires
	}
	if opts.RateLimit != (api.RateLimit{}) {
		in.RateLimit = &opts.RateLimit
	}
	if opts.SecretFile != "" {
		return createIntoFile(ctx, opts, at, in)
	}
	key, s, err := at.CreateKey(ctx, at.Org, in)
	if err != nil {
		return err
	}
	// The secret goes out before anything that can fail: it may be kept nowhere else.
	if opts.Out.Structured() {
		return notWritten(key, opts.Out.Object(api.KeyWithSecret{Key: key, Secret: s.Reveal()}))
	}
	if err := opts.Out.Line("%s", s.Reveal()); err != nil {
		return notWritten(key, err)
	}
	sayCreated(opts.Out, at, key, "")
	return nil
}

// createIntoFile opens the file before it asks for the key: a key whose secret can't be kept must not be made.
func createIntoFile(ctx context.Context, opts *CreateOptions, at cliutil.OrgClient, in api.CreateKeyRequest) error {
	var key api.Key
	err := cliutil.NewPrivateFile(opts.SecretFile, func() (string, error) {
		var s secret.Secret
		var err error
		key, s, err = at.CreateKey(ctx, at.Org, in)
		return s.Reveal() + "\n", err
	})
	if err != nil && key.ID != "" {
		return notWritten(key, err)
	}
	if err != nil {
		return err
	}
	switch {
	case opts.Out.Structured():
		return opts.Out.Object(map[string]any{"key": key, "secret_file": opts.SecretFile})
	case opts.Out.Quiet:
		return opts.Out.Line("%s", cliutil.Printable(key.ID))
	}
	sayCreated(opts.Out, at, key, opts.SecretFile)
	return nil
}

func notWritten(key api.Key, err error) error {
	hint := "print it: keyfob keys reveal " + key.ID
	if !key.Recoverable {
		hint = "its secret is kept nowhere: give it another with `keyfob keys rotate " + key.ID + " --retire now`"
	}
	return cliutil.SecretNotWritten(err, "the key "+cliutil.Quoted(key.Name)+" was made, but its secret", hint)
}

func sayCreated(out *cliutil.Output, at cliutil.OrgClient, key api.Key, file string) {
	name := cliutil.Printable(key.Name)
	if file != "" {
		out.Note("Created key %s (%s); its secret is in %s.", name, key.ID, cliutil.Printable(file))
		out.Note("The first request to make:  curl -H \"Authorization: Bearer $(cat %s)\" %s/v1/self", cliutil.Printable(file), at.Origin())
	} else {
		out.Note("Created key %s (%s).", name, key.ID)
		out.Note("The first request to make:  curl -H \"Authorization: Bearer $SECRET\" %s/v1/self", at.Origin())
	}
	out.Note("Connect an AI client:       keyfob mcp connect --key %s --client claude-code", key.ID)
}

func parseTags(pairs []string) (map[string]string, error) {
	tags := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if _, twice := tags[name]; !ok || name == "" || twice {
			e := cliutil.UsageError("--tag %q is not of the form NAME=VALUE, each name once", cliutil.Printable(pair))
			e.Hint = "for example --tag team=web"
			return nil, e
		}
		tags[name] = value
	}
	return tags, nil
}
