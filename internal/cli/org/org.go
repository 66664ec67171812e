// Package org is the noun "org" of the command line: the organisations one belongs to, and their members. It must not know
// how a credential is kept.
package org

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// NewCmdOrg returns "keyfob org".
func NewCmdOrg(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "org",
		Short: "See your organisations, choose one, and run its members",
		Example: `$ keyfob org list
$ keyfob org use acme
$ keyfob org members add ada@example.com --role admin`,
	}
	return cliutil.Group(cmd, NewCmdList(f, nil), NewCmdUse(f, nil), newCmdMembers(f))
}

func newCmdMembers(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List, invite, change and remove an organisation's members",
		Example: `$ keyfob org members list
$ keyfob org members add ada@example.com --role admin
$ keyfob org members remove ada@example.com`,
	}
	return cliutil.Group(cmd, NewCmdMembersList(f, nil), NewCmdMembersAdd(f, nil), NewCmdMembersSetRole(f, nil), NewCmdMembersRemove(f, nil))
}
