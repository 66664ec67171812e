package org

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// ListOptions is all that listRun needs.
type ListOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output
}

// NewCmdList returns "keyfob org list". runF replaces listRun in tests.
func NewCmdList(f *cliutil.Factory, runF func(context.Context, *ListOptions) error) *cobra.Command {
	opts := &ListOptions{Session: f.Session}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the organisations you belong to; the selected one is marked",
		Example: `$ keyfob org list
$ keyfob org list -q
$ keyfob org list -o json | jq -r '.orgs[] | select(.role == "owner").slug'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, listRun)
		},
	}
}

func listRun(ctx context.Context, opts *ListOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	orgs, err := session.Client.Orgs(ctx)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(api.OrgList{Orgs: orgs})
	}
	var rows [][]string
	for _, o := range orgs {
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(o.Slug)); err != nil {
				return err
			}
			continue
		}
		selected := ""
		if o.Slug == session.Org || len(orgs) == 1 {
			selected = "*"
		}
		rows = append(rows, []string{o.Slug, o.Name, string(o.Role), selected})
	}
	if len(rows) == 0 {
		return nil
	}
	return opts.Out.Table([]string{"SLUG", "NAME", "ROLE", "SELECTED"}, rows)
}
