package org

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// MembersListOptions is all that membersListRun needs.
type MembersListOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Now     func() time.Time
	Out     *cliutil.Output
}

// NewCmdMembersList returns "keyfob org members list". runF replaces membersListRun in tests.
func NewCmdMembersList(f *cliutil.Factory, runF func(context.Context, *MembersListOptions) error) *cobra.Command {
	opts := &MembersListOptions{Session: f.Session, Now: f.Now}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the members, and those who are invited",
		Example: `$ keyfob org members list
$ keyfob org members list --org acme
$ keyfob org members list -o json | jq -r '.members[] | select(.status == "invited").email'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, membersListRun)
		},
	}
}

func membersListRun(ctx context.Context, opts *MembersListOptions) error {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	members, err := at.Members(ctx, at.Org)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(api.MemberList{Members: members})
	}
	var rows [][]string
	for _, m := range members {
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(reference(m))); err != nil {
				return err
			}
			continue
		}
		since := cliutil.Stamp(&m.CreatedAt)
		if opts.Out.IO.OutTTY {
			since = cliutil.Ago(opts.Now(), &m.CreatedAt)
		}
		rows = append(rows, []string{m.Email, m.Name, string(m.Role), string(m.Status), since, m.ID})
	}
	if len(rows) == 0 {
		return nil
	}
	return opts.Out.Table([]string{"EMAIL", "NAME", "ROLE", "STATUS", "SINCE", "ID"}, rows)
}

// reference is what other commands take for the member.
func reference(m api.Member) string {
	if m.ID != "" {
		return m.ID
	}
	return m.Email
}
