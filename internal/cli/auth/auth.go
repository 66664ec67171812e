// Package auth is the noun "auth" of the command line: signing in and out. It must not know how a credential is kept.
package auth

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// NewCmdAuth returns "keyfob auth".
func NewCmdAuth(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Sign in to a service, see who is signed in, sign out",
		Example: `$ keyfob auth login --url https://keys.example.com
$ keyfob auth status
$ keyfob auth logout`,
	}
	return cliutil.Group(cmd, NewCmdLogin(f, nil), NewCmdStatus(f, nil), NewCmdToken(f, nil), NewCmdLogout(f, nil))
}
