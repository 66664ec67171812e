package trust

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// ListOptions is all that listRun needs.
type ListOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Now     func() time.Time
	Out     *cliutil.Output
}

// NewCmdList returns "keyfob trust list". runF replaces listRun in tests.
func NewCmdList(f *cliutil.Factory, runF func(context.Context, *ListOptions) error) *cobra.Command {
	opts := &ListOptions{Session: f.Session, Now: f.Now}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the rules that let CI jobs in",
		Example: `$ keyfob trust list
$ keyfob trust list -q
$ keyfob trust list -o json | jq -r '.trust_rules[] | select(.last_used_at == null).name'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, listRun)
		},
	}
}

func listRun(ctx context.Context, opts *ListOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	rules, err := at.TrustRules(ctx, at.Org)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(api.TrustRuleList{Rules: rules})
	}
	var rows [][]string
	for _, r := range rules {
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(r.ID)); err != nil {
				return err
			}
			continue
		}
		used := cliutil.Stamp(r.LastUsedAt)
		if opts.Out.IO.OutTTY {
			used = cliutil.Ago(opts.Now(), r.LastUsedAt)
		}
		rows = append(rows, []string{
			r.Name, string(r.Provider), conditions(r), words(r.Permissions), strings.Join(r.Keys, ", "), used, r.CreatedBy.Name, r.ID,
		})
	}
	if len(rows) == 0 {
		return nil
	}
	return opts.Out.Table([]string{"NAME", "PROVIDER", "CONDITIONS", "MAY", "KEYS", "LAST USED", "MADE BY", "ID"}, rows)
}

// conditions is what a rule asks for, in one cell.
func conditions(r api.TrustRule) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Conditions)) {
		out = append(out, name+"="+r.Conditions[name])
	}
	return strings.Join(out, " ")
}
