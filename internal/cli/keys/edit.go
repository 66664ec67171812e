package keys

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
)

// EditOptions is all that editRun needs.
type EditOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Now     func() time.Time
	Out     *cliutil.Output

	Key    string
	Change api.UpdateKeyRequest
}

// NewCmdEdit returns "keyfob keys edit". runF replaces editRun in tests.
func NewCmdEdit(f *cliutil.Factory, runF func(context.Context, *EditOptions) error) *cobra.Command {
	opts := &EditOptions{Session: f.Session, Now: f.Now}
	expires, rate := &cliutil.When{Now: f.Now, OrNever: true}, &cliutil.Rate{}
	cmd := &cobra.Command{
		Use:   "edit KEY",
		Short: "Change when a key ends and how often it may be used",
		Long: `Change when a key ends and how often it may be used; id and secret stay. What no flag names stays as it is.

` + rateHelp,
		Example: `$ keyfob keys edit ci --rate-limit 100/m
$ keyfob keys edit ci --rate-limit none
$ keyfob keys edit ci --expires 90d -o json`,
		Args:              cliutil.ExactArgs("the key's name or id"),
		ValidArgsFunction: completeKey(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key = args[0]
			if cmd.Flags().Changed("expires") {
				opts.Change.ExpiresAt = &api.NullTime{Time: expires.At, Valid: !expires.At.IsZero()}
			}
			if cmd.Flags().Changed("rate-limit") {
				opts.Change.RateLimit = &api.NullRateLimit{RateLimit: rate.Limit, Valid: rate.Limit != api.RateLimit{}}
			}
			if opts.Change == (api.UpdateKeyRequest{}) {
				e := cliutil.UsageError("nothing is to be changed")
				e.Hint = "give --expires or --rate-limit"
				return e
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, editRun)
		},
	}
	cmd.Flags().Var(expires, "expires", "`WHEN` the key ends: a span such as 90d, a date, an RFC 3339 time, or never")
	cmd.Flags().Var(rate, "rate-limit", rateUsage)
	cliutil.CompleteFlagWith(cmd, "rate-limit", completion.Rates())
	return cmd
}

// What create and edit say of a rate limit.
const (
	rateHelp = `A key with a rate limit is refused once it was used as often as it may be; what was used comes back evenly. Each process of
the service counts for itself, and from none when it starts.`
	rateUsage = "the `RATE` at which the key may be used, such as 100/s, 1000/m, 50/h, 10/d or 5/10s; none: any number of times"
)

func editRun(ctx context.Context, opts *EditOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	key, err := at.UpdateKey(ctx, at.Org, opts.Key, opts.Change)
	if err != nil {
		return err
	}
	return printKey(opts.Out, key, nil, opts.Now())
}
