package keys

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// expirySoon is when a list begins to show a key's expiry.
const expirySoon = 30 * 24 * time.Hour

// ListOptions is all that listRun needs.
type ListOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Now     func() time.Time
	Out     *cliutil.Output

	Filter client.ListKeysOptions
}

// NewCmdList returns "keyfob keys list". runF replaces listRun in tests.
func NewCmdList(f *cliutil.Factory, runF func(context.Context, *ListOptions) error) *cobra.Command {
	opts := &ListOptions{Session: f.Session, Now: f.Now}
	unused, expires := &cliutil.When{Now: f.Now, Ago: true}, &cliutil.When{Now: f.Now}
	var status, sort string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the keys, enabled and disabled apart",
		Long: `List the keys, enabled and disabled apart.

A key with a second secret is marked as rotating. Elsewhere than on a terminal the columns are name, status, hint, last used,
created, creator, expiry, id and that mark, separated by tabs.`,
		Example: `$ keyfob keys list
$ keyfob keys list --unused-since 90d -q
$ keyfob keys list --tag team=web --sort last_used -o json | jq -r '.keys[].name'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			opts.Filter.UnusedSince, opts.Filter.ExpiresBefore = unused.At, expires.At
			if opts.Filter.Status, err = cliutil.OneOf("status", api.KeyStatus(status), api.KeyStatuses()); err != nil {
				return err
			}
			if opts.Filter.Sort, err = cliutil.OneOf("sort", api.KeySort(sort), api.KeySorts()); err != nil {
				return err
			}
			if _, err = parseTags(opts.Filter.Tags); err != nil {
				return err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, listRun)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&status, "status", "", "only keys with this `STATUS`: "+join(api.KeyStatuses()))
	flags.StringArrayVar(&opts.Filter.Tags, "tag", nil, "only keys with this tag, `NAME=VALUE`; may be repeated")
	flags.Var(unused, "unused-since", "only keys not used since `WHEN`, new ones that never were among them: a span such as 90d, a date or an RFC 3339 time")
	flags.BoolVar(&opts.Filter.NeverUsed, "never-used", false, "only keys that were never used")
	flags.Var(expires, "expires-before", "only keys that end before `WHEN`: a span such as 30d, a date or an RFC 3339 time")
	flags.StringVar(&sort, "sort", "", "the `ORDER`: "+join(api.KeySorts())+" (default created)")
	cliutil.CompleteFlagWith(cmd, "status", completion.Statuses())
	cliutil.CompleteFlagWith(cmd, "sort", completion.Sorts())
	cliutil.CompleteFlagWith(cmd, "tag", completion.Tags(f))
	return cmd
}

func join[S ~string](values []S) string {
	var words []string
	for _, v := range values {
		words = append(words, string(v))
	}
	return strings.Join(words, ", ")
}

func listRun(ctx context.Context, opts *ListOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	opts.Filter.Limit = 1000
	if opts.Out.Structured() {
		return opts.Out.List("keys", asAny(at.KeysJSON(ctx, at.Org, opts.Filter)))
	}
	keys := at.Keys(ctx, at.Org, opts.Filter)
	switch {
	case opts.Out.Quiet:
		return eachKey(keys, func(k api.Key) error { return opts.Out.Line("%s", cliutil.Printable(k.ID)) })
	case !opts.Out.IO.OutTTY:
		none := true
		err := eachKey(keys, func(k api.Key) error {
			none = false
			return opts.Out.Table(nil, [][]string{plainRow(k)})
		})
		if none && err == nil {
			sayNone(opts, at.Org)
		}
		return err
	}
	return printSections(opts, keys, at.Org)
}

func eachKey(keys iter.Seq2[api.Key, error], do func(api.Key) error) error {
	for k, err := range keys {
		if err != nil {
			return err
		}
		if err := do(k); err != nil {
			return err
		}
	}
	return nil
}

func asAny[T any](items iter.Seq2[T, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for item, err := range items {
			if !yield(item, err) {
				return
			}
		}
	}
}

func plainRow(k api.Key) []string {
	return []string{
		k.Name, string(k.Status), k.Hint, cliutil.Stamp(k.LastUsedAt), cliutil.Stamp(&k.CreatedAt), k.CreatedBy.Name,
		cliutil.Stamp(k.ExpiresAt), k.ID, rotating(k),
	}
}

// rotating marks a key that has more than its current secret.
func rotating(k api.Key) string {
	if len(k.Secrets) > 1 {
		return "rotating"
	}
	return ""
}

// printSections shows what opens something apart from what does not; a person reads as many rows as fit their patience, so
// they are gathered first.
func printSections(opts *ListOptions, keys iter.Seq2[api.Key, error], org string) error {
	now := opts.Now()
	sections := []struct { // in the order of api.KeyStatuses
		title string
		rows  [][]string
	}{{title: "Enabled"}, {title: "Disabled"}, {title: "Expired"}}
	err := eachKey(keys, func(k api.Key) error {
		i := max(slices.Index(api.KeyStatuses(), k.Status), 0)
		sections[i].rows = append(sections[i].rows, personRow(now, k))
		return nil
	})
	if err != nil {
		return err
	}
	first := true
	for _, s := range sections {
		if len(s.rows) == 0 {
			continue
		}
		if !first {
			_ = opts.Out.Line("")
		}
		first = false
		if err := opts.Out.Line("%s (%d)", opts.Out.Style.Bold(s.title), len(s.rows)); err != nil {
			return err
		}
		if err := opts.Out.Table([]string{"NAME", "STATUS", "HINT", "LAST USED", "CREATED", "CREATOR", "EXPIRES"}, s.rows); err != nil {
			return err
		}
	}
	if first {
		sayNone(opts, org)
	}
	return nil
}

func sayNone(opts *ListOptions, org string) {
	opts.Out.Note("No such keys in %s. Make one: keyfob keys create NAME", cliutil.Printable(org))
}

func personRow(now time.Time, k api.Key) []string {
	expires := ""
	if k.ExpiresAt != nil && k.ExpiresAt.Before(now.Add(expirySoon)) {
		expires = relative(now, *k.ExpiresAt)
	}
	status := string(k.Status)
	if mark := rotating(k); mark != "" {
		status += ", " + mark
	}
	return []string{
		k.Name, status, k.Hint, cliutil.Ago(now, k.LastUsedAt), cliutil.Ago(now, &k.CreatedAt), k.CreatedBy.Name, expires,
	}
}
