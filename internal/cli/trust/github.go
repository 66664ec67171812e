package trust

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// NewCmdCreateGitHub returns "keyfob trust create github". runF replaces createRun in tests.
func NewCmdCreateGitHub(f *cliutil.Factory, runF func(context.Context, *CreateOptions) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "github",
		Short: "Let jobs of GitHub Actions in",
		Long: `Let jobs of GitHub Actions in. The job needs the permission id-token: write, and KEYFOB_URL.

Each value is compared as it is; there are no wildcards. The numeric ids of the repository and its owner are taken from the
first job that is let in, so that nobody who takes the name over later gets in. Jobs of pull requests never are.`,
		Example: `$ keyfob trust create github --repository acme/app --environment prod --allow keys:rotate --key 'ci-*'
$ keyfob trust create github --repository acme/app --ref refs/heads/main --workflow rotate.yml --allow keys:rotate --key ci-deploy
$ keyfob trust create github --repository acme/app --allow keys:read --key '*' -o json`,
	}
	opts := complete(f, cmd, api.TrustGitHub, runF, []string{"repository"},
		condition{"repository", "repository", "the repository, `OWNER/NAME`"},
		condition{"environment", "environment", "the job's `ENVIRONMENT`: whoever may deploy there may use the rule"},
		condition{"ref", "ref", "the job's `REF`, such as refs/heads/main"},
		condition{"workflow", "workflow", "`FILE` below .github/workflows that the job is defined in"},
	)
	cmd.Flags().StringVar(&opts.Issuer, "issuer", "", "the issuer's `URL` of an Enterprise Server: https://HOST/_services/token")
	return cmd
}
