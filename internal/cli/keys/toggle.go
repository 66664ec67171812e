package keys

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// ToggleOptions is all that toggleRun needs.
type ToggleOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output

	Keys   []string
	Reason string
	DryRun bool
	Enable bool
}

// NewCmdDisable returns "keyfob keys disable". runF replaces toggleRun in tests.
func NewCmdDisable(f *cliutil.Factory, runF func(context.Context, *ToggleOptions) error) *cobra.Command {
	opts := &ToggleOptions{Session: f.Session}
	cmd := &cobra.Command{
		Use:   "disable KEY...",
		Short: "Cut keys' access at once",
		Long: `Cut keys' access at once: no request that begins after this command has ended is let through. A key that is disabled
already stays so. "keyfob keys enable" gives the access back.`,
		Example: `$ keyfob keys disable ci
$ keyfob keys disable ci web --reason "leaked in a log"
$ keyfob keys disable ci --dry-run`,
		RunE: toggle(f, opts, runF),
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show who used the keys lately, and change nothing")
	return withReason(f, cmd, opts, api.StatusEnabled)
}

// NewCmdEnable returns "keyfob keys enable". runF replaces toggleRun in tests.
func NewCmdEnable(f *cliutil.Factory, runF func(context.Context, *ToggleOptions) error) *cobra.Command {
	opts := &ToggleOptions{Session: f.Session, Enable: true}
	cmd := &cobra.Command{
		Use:   "enable KEY...",
		Short: "Give disabled keys their access back",
		Example: `$ keyfob keys enable ci
$ keyfob keys enable ci web --reason "false alarm"
$ keyfob keys list -o json | jq -r '.keys[] | select(.status == "disabled") | .id' | xargs keyfob keys enable`,
		RunE: toggle(f, opts, runF),
	}
	return withReason(f, cmd, opts, api.StatusDisabled)
}

func withReason(f *cliutil.Factory, cmd *cobra.Command, opts *ToggleOptions, offered api.KeyStatus) *cobra.Command {
	cmd.Args = someKeys
	cmd.ValidArgsFunction = completeKeys(f, offered)
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "reason `WHY`, kept in the event")
	return cmd
}

func toggle(f *cliutil.Factory, opts *ToggleOptions, runF func(context.Context, *ToggleOptions) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		opts.Keys = args
		return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, toggleRun)
	}
}

func toggleRun(ctx context.Context, opts *ToggleOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	if opts.DryRun {
		return previewKeys(ctx, opts.Out, at, opts.Keys, "disable")
	}
	change, done := at.DisableKey, "disabled"
	if opts.Enable {
		change, done = at.EnableKey, "enabled"
	}
	return actOn(ctx, opts.Out, opts.Keys, done, func(ctx context.Context, name string) (api.Key, error) {
		return change(ctx, at.Org, name, opts.Reason)
	})
}
