package trust

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// NewCmdCreateOIDC returns "keyfob trust create oidc". runF replaces createRun in tests.
func NewCmdCreateOIDC(f *cliutil.Factory, runF func(context.Context, *CreateOptions) error) *cobra.Command {
	var claims []string
	cmd := &cobra.Command{
		Use:   "oidc",
		Short: "Let jobs of any other platform in that signs OIDC tokens",
		Long: `Let jobs of any other platform in that signs OIDC tokens. The job names the file of its token in KEYFOB_OIDC_TOKEN_FILE.

The token must hold jti, exp and iat, and be for the service's URL alone. Each value is compared as it is, with a claim that is
a string; there are no wildcards.`,
		Example: `$ keyfob trust create oidc --issuer https://ci.example.com --subject pipeline:deploy --allow keys:rotate --key 'ci-*'
$ keyfob trust create oidc --issuer https://ci.example.com --claim project=app --claim branch=main --allow keys:read --key '*'
$ keyfob trust create oidc --issuer https://ci.example.com --subject app --allow keys:reveal --key app --name app -q`,
	}
	opts := complete(f, cmd, api.TrustOIDC, runF, []string{"issuer"}, condition{"subject", "sub", "the whole `VALUE` of the claim sub"})
	cmd.Flags().StringArrayVar(&claims, "claim", nil, "another claim, `NAME=VALUE`; may be repeated")
	cmd.Flags().StringVar(&opts.Issuer, "issuer", "", "the `URL` that the token's iss is, to the letter")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if len(claims) == 0 && !cmd.Flags().Changed("subject") {
			return cliutil.UsageError("--subject or --claim is missing")
		}
		for _, claim := range claims {
			name, value, found := strings.Cut(claim, "=")
			if _, twice := opts.Conditions[name]; !found || name == "" || value == "" || twice {
				return cliutil.UsageError("--claim %s is not of the form NAME=VALUE, or there twice", cliutil.Quoted(claim))
			}
			opts.Conditions[name] = value
		}
		return nil
	}
	return cmd
}
