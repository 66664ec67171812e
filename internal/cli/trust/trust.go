// Package trust is the noun "trust" of the command line: the rules that let CI jobs in without a stored secret. It must not know
// how a job's token is checked.
package trust

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// NewCmdTrust returns "keyfob trust".
func NewCmdTrust(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Let CI jobs in by the token of their platform, without a stored secret",
		Example: `$ keyfob trust create github --repository acme/app --environment prod --allow keys:rotate --key 'ci-*'
$ keyfob trust list
$ keyfob events list --type trust`,
	}
	return cliutil.Group(cmd, NewCmdList(f, nil), newCmdCreate(f), NewCmdDelete(f, nil))
}

func newCmdCreate(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a rule for the jobs of GitHub, GitLab or another platform",
		Example: `$ keyfob trust create github --repository acme/app --environment prod --allow keys:rotate --key 'ci-*'
$ keyfob trust create gitlab --project acme/app --ref refs/heads/main --allow keys:rotate --key ci-deploy
$ keyfob trust create oidc --issuer https://ci.example.com --subject pipeline:deploy --allow keys:read --key '*'`,
	}
	return cliutil.Group(cmd, NewCmdCreateGitHub(f, nil), NewCmdCreateGitLab(f, nil), NewCmdCreateOIDC(f, nil))
}
