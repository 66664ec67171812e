package trust

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// NewCmdCreateGitLab returns "keyfob trust create gitlab". runF replaces createRun in tests.
func NewCmdCreateGitLab(f *cliutil.Factory, runF func(context.Context, *CreateOptions) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gitlab",
		Short: "Let jobs of GitLab CI in",
		Long: `Let jobs of GitLab CI in. The job needs an id_token called KEYFOB_ID_TOKEN, whose aud is the service's URL, and KEYFOB_URL.

Each value is compared as it is; there are no wildcards. The numeric ids of the project and its namespace are taken from the
first job that is let in, so that nobody who takes the path over later gets in. Pipelines of merge requests never are.`,
		Example: `$ keyfob trust create gitlab --project acme/app --environment production --allow keys:rotate --key 'ci-*'
$ keyfob trust create gitlab --project acme/web/app --ref refs/heads/main --allow keys:rotate --key ci-deploy
$ keyfob trust create gitlab --issuer https://gitlab.example.com --project acme/app --allow keys:read --key '*'`,
	}
	opts := complete(f, cmd, api.TrustGitLab, runF, []string{"project"},
		condition{"project", "project_path", "the project's `PATH`, GROUP/NAME"},
		condition{"environment", "environment", "the job's `ENVIRONMENT`"},
		condition{"ref", "ref_path", "the pipeline's `REF`, such as refs/heads/main"},
	)
	cmd.Flags().StringVar(&opts.Issuer, "issuer", "", "the `URL` of a GitLab of your own (default https://gitlab.com)")
	return cmd
}
