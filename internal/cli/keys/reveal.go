package keys

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// RevealOptions is all that revealRun and copyRun need.
type RevealOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Copy    func(ctx context.Context, text string) (how string, err error)
	Out     *cliutil.Output

	Key string
}

// NewCmdReveal returns "keyfob keys reveal". runF replaces revealRun in tests.
func NewCmdReveal(f *cliutil.Factory, runF func(context.Context, *RevealOptions) error) *cobra.Command {
	opts := &RevealOptions{Session: f.Session}
	return &cobra.Command{
		Use:   "reveal KEY",
		Short: "Print a key's secret; the service records it",
		Example: `$ keyfob keys reveal ci
$ keyfob keys reveal ci | gh secret set API_KEY
$ keyfob keys reveal ci -o json | jq -r .secret`,
		Args:              cliutil.ExactArgs("the key's name or id"),
		ValidArgsFunction: completeKey(f),
		RunE:              withKey(f, opts, runF, revealRun),
	}
}

// withKey is what the two verbs parse.
func withKey(f *cliutil.Factory, opts *RevealOptions, runF, run func(context.Context, *RevealOptions) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		opts.Key = args[0]
		return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, run)
	}
}

func revealRun(ctx context.Context, opts *RevealOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	key, secret, err := at.RevealKey(ctx, at.Org, opts.Key)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(api.KeyWithSecret{Key: key, Secret: secret.Reveal()})
	}
	return opts.Out.Line("%s", secret.Reveal())
}

// NewCmdCopy returns "keyfob keys copy". runF replaces copyRun in tests.
func NewCmdCopy(f *cliutil.Factory, runF func(context.Context, *RevealOptions) error) *cobra.Command {
	opts := &RevealOptions{Session: f.Session, Copy: f.CopyToClipboard}
	return &cobra.Command{
		Use:   "copy KEY",
		Short: "Put a key's secret on the clipboard; it is not printed",
		Long: `Put a key's secret on the clipboard. It is not printed, and the service records that it was revealed.

Over SSH the terminal is asked to do it (OSC 52); elsewhere the desktop's tool: wl-copy, xclip, xsel, pbcopy or clip.exe.`,
		Example: `$ keyfob keys copy ci
$ keyfob keys copy ci -q
$ keyfob keys copy ci -o json`,
		Args:              cliutil.ExactArgs("the key's name or id"),
		ValidArgsFunction: completeKey(f),
		RunE:              withKey(f, opts, runF, copyRun),
	}
}

func copyRun(ctx context.Context, opts *RevealOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	key, secret, err := at.RevealKey(ctx, at.Org, opts.Key)
	if err != nil {
		return err
	}
	how, err := opts.Copy(ctx, secret.Reveal())
	if err != nil {
		return &cliutil.Error{
			Code: "no-clipboard", Exit: cliutil.ExitFailed, Message: err.Error(),
			Hint: "print the secret with `keyfob keys reveal`", Err: err,
		}
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"key": key, "copied_with": how})
	}
	opts.Out.Note("Copied the secret of %s (%s) to the clipboard with %s.", cliutil.Printable(key.Name), cliutil.Printable(key.Hint), how)
	return nil
}
