package keys

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// ShowOptions is all that showRun needs.
type ShowOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Now     func() time.Time
	Out     *cliutil.Output
	Env     func(string) string

	Key   string
	Usage bool
}

// NewCmdShow returns "keyfob keys show". runF replaces showRun in tests.
func NewCmdShow(f *cliutil.Factory, runF func(context.Context, *ShowOptions) error) *cobra.Command {
	opts := &ShowOptions{Session: f.Session, Now: f.Now, Env: f.Env}
	cmd := &cobra.Command{
		Use:   "show KEY",
		Short: "Show all that is known of a key",
		Example: `$ keyfob keys show ci
$ keyfob keys show ci --usage
$ keyfob keys show ci -q
$ keyfob keys show ci -o json | jq -r .key.last_used_at`,
		Args:              cliutil.ExactArgs("the key's name or id"),
		ValidArgsFunction: completeKey(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key = args[0]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, showRun)
		},
	}
	cmd.Flags().BoolVar(&opts.Usage, "usage", false, "show who used it lately, and its calls by hour and by day (UTC)")
	return cmd
}

func showRun(ctx context.Context, opts *ShowOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	key, err := at.Key(ctx, at.Org, opts.Key)
	if err != nil {
		return err
	}
	if opts.Out.Quiet && !opts.Out.Structured() {
		return printKey(opts.Out, key, nil, opts.Now())
	}
	if opts.Usage {
		usage, err := at.KeyUsage(ctx, at.Org, key.ID)
		if err != nil {
			return err
		}
		return printUsage(opts, key, usage)
	}
	rotations, err := at.Rotations(ctx, at.Org, key.ID)
	if err != nil {
		return err
	}
	for _, r := range rotations {
		if r.EndedAt == nil {
			return printKey(opts.Out, key, &r, opts.Now())
		}
	}
	return printKey(opts.Out, key, nil, opts.Now())
}

// printUsage writes who used a key, and how often.
func printUsage(opts *ShowOptions, key api.Key, usage api.Usage) error {
	if opts.Out.Structured() {
		return opts.Out.Object(keyUsage{api.KeyEnvelope{Key: key}, usage})
	}
	rows := [][]string{{"name", key.Name}, {"last used", orNever(cliutil.Stamp(usage.LastUsedAt))}}
	bars := barsFor(opts.Out.IO.OutTTY, opts.Env)
	return opts.Out.Table(nil, append(rows, usageRows(usage, opts.Now(), bars)...))
}

// keyUsage is a key and its use.
type keyUsage struct {
	api.KeyEnvelope

	Usage api.Usage `json:"usage"`
}

// shown is a key and, while it rotates, how far that is.
type shown struct {
	api.KeyEnvelope

	Rotation *api.Rotation `json:"rotation,omitempty"`
}

// printKey writes one key in the format that was asked for.
func printKey(out *cliutil.Output, key api.Key, rotation *api.Rotation, now time.Time) error {
	switch {
	case out.Structured():
		return out.Object(shown{api.KeyEnvelope{Key: key}, rotation})
	case out.Quiet:
		return out.Line("%s", cliutil.Printable(key.ID))
	}
	moment := cliutil.Stamp
	if out.IO.OutTTY {
		moment = func(t *time.Time) string {
			if t == nil {
				return "never"
			}
			return cliutil.Stamp(t) + " (" + relative(now, *t) + ")"
		}
	}
	rows := [][]string{
		{"name", key.Name},
		{"id", key.ID},
		{"status", string(key.Status)},
		{"hint", key.Hint},
		{"last used", moment(key.LastUsedAt)},
		{"created", moment(&key.CreatedAt)},
		{"creator", key.CreatedBy.Name},
		{"expires", moment(key.ExpiresAt)},
		{"recoverable", strconv.FormatBool(key.Recoverable)},
	}
	if key.RateLimit != nil {
		rows = append(rows, []string{"rate limit", key.RateLimit.String()})
	}
	for _, name := range slices.Sorted(maps.Keys(key.Tags)) {
		rows = append(rows, []string{"tag", name + "=" + key.Tags[name]})
	}
	for _, s := range key.Secrets {
		rows = append(rows, []string{"secret " + strconv.Itoa(s.Version), s.Hint + " " + string(s.State) + ", last used " + orNever(cliutil.Stamp(s.LastUsedAt))})
	}
	return out.Table(nil, append(rows, rotationRows(rotation, moment)...))
}

// rotationRows say how far a rotation is, and who has yet to get the new secret.
func rotationRows(r *api.Rotation, moment func(*time.Time) string) [][]string {
	if r == nil {
		return nil
	}
	rows := [][]string{{"rotation", string(r.State)}, {"opened", moment(&r.OpenedAt) + " by " + r.OpenedBy.Name}}
	switch {
	case r.RetireAt != nil && r.QuietSeconds > 0:
		rows = append(rows, []string{"old secret ends", moment(r.RetireAt) + ", or after " + quietSpan(*r) + " without use"})
	case r.RetireAt != nil:
		rows = append(rows, []string{"old secret ends", moment(r.RetireAt)})
	case r.ExpiresAt != nil:
		rows = append(rows, []string{"given up", moment(r.ExpiresAt)})
	}
	if r.ArmedAt != nil && r.PromotedAt == nil {
		rows = append(rows, []string{"waits for", "the first use of the new secret, since " + moment(r.ArmedAt)})
	}
	for _, s := range r.Sinks {
		state := "not delivered"
		if s.DeliveredAt != nil {
			state = "delivered " + moment(s.DeliveredAt)
		}
		rows = append(rows, []string{"sink", s.Name + ": " + state})
	}
	return rows
}

func orNever(s string) string {
	if s == "" {
		return "never"
	}
	return s
}

// relative is how far t is from now, either way.
func relative(now, t time.Time) string {
	if t.After(now) {
		return "in " + cliutil.Span(t.Sub(now))
	}
	return cliutil.Ago(now, &t)
}
