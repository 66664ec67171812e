package keys

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/secret"
)

// LookupOptions is all that lookupRun needs.
type LookupOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output
}

// NewCmdLookup returns "keyfob keys lookup". runF replaces lookupRun in tests.
func NewCmdLookup(f *cliutil.Factory, runF func(context.Context, *LookupOptions) error) *cobra.Command {
	opts := &LookupOptions{Session: f.Session}
	return &cobra.Command{
		Use:   "lookup",
		Short: "Say which key a secret on stdin is, and whether it opens anything",
		Long: `Say which key a secret on stdin is, and whether it opens anything. The secret is not used by this, and nothing shows
it. A secret of no key of the organisation ends with exit code 3.`,
		Example: `$ keyfob keys lookup < secret.txt
$ pbpaste | keyfob keys lookup
$ keyfob keys lookup -o json < secret.txt | jq -r .key.name`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, lookupRun)
		},
	}
}

func lookupRun(ctx context.Context, opts *LookupOptions) error {
	text, err := cliutil.ReadSecret(ctx, opts.Out, "key's secret")
	if err != nil {
		return err
	}
	s, err := secret.Parse(secret.Key, text)
	if err != nil {
		e := cliutil.UsageError("this is no key's secret: %v", err)
		e.Code, e.Hint = "invalid-secret", "pipe one secret (kf_…) into the command"
		return e
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	found, err := at.LookupKey(ctx, at.Org, s)
	if err != nil {
		return err
	}
	switch {
	case opts.Out.Structured():
		return opts.Out.Object(found)
	case opts.Out.Quiet:
		return opts.Out.Line("%s", cliutil.Printable(found.Key.ID))
	}
	return opts.Out.Table(nil, [][]string{
		{"key", found.Key.Name},
		{"id", found.Key.ID},
		{"status", string(found.Key.Status)},
		{"secret", found.Secret.Hint + " " + string(found.Secret.State)},
		{"last used", orNever(cliutil.Stamp(found.Secret.LastUsedAt))},
	})
}
