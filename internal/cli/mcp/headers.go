package mcp

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/pkg/secret"
)

// HeadersOptions is all that headersRun needs.
type HeadersOptions struct {
	// Secret finds the key's current secret.
	Secret func(context.Context) (secret.Secret, error)
	Out    *cliutil.Output
}

// NewCmdHeaders returns "keyfob mcp headers". runF replaces headersRun in tests.
func NewCmdHeaders(f *cliutil.Factory, runF func(context.Context, *HeadersOptions) error) *cobra.Command {
	opts := &HeadersOptions{}
	var key, dir string
	cmd := &cobra.Command{
		Use:   "headers --key KEY",
		Short: "Print the headers that an AI client connects with",
		Long: `Print the headers that an AI client connects with, as one JSON object on one line.

It is for the client's header helper: headersHelper of Claude Code, http_headers_helper of Codex. The secret is kept where the
session is kept, and the service is asked each time whether it is still the current one: a rotation needs no edit anywhere. With
KEYFOB_TOKEN, and where the session lies in an encrypted file, nothing is kept and the secret is asked for each time.

Nobody is asked for anything: a locked keyring is an error. It ends within four seconds.`,
		Example: `$ keyfob mcp headers --key key_01jd8xq3v5c7n9p1r3t5w7y9za
$ keyfob mcp headers --key ci --context work --org acme
$ keyfob mcp headers --key ci | jq -r '"Authorization: " + .Authorization' | curl -H @- https://keys.example.com/v1/self`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			access, err := newKeyAccess(f, key, dir)
			if err != nil {
				return err
			}
			opts.Secret = func(ctx context.Context) (secret.Secret, error) {
				found, _, err := access.find(ctx)
				return found.Secret, err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, headersRun)
		},
	}
	keyFlag(cmd, f, &key, &dir)
	return cmd
}

func headersRun(ctx context.Context, opts *HeadersOptions) error {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	s, err := opts.Secret(ctx)
	if err != nil {
		return err
	}
	return opts.Out.ObjectLine(map[string]string{"Authorization": "Bearer " + s.Reveal()})
}

// keyFlag declares the flags of the verbs that a client runs.
func keyFlag(cmd *cobra.Command, f *cliutil.Factory, key, dir *string) {
	cmd.Flags().StringVar(key, "key", "", "id or name of the `KEY`; an id is found without asking the service")
	cmd.Flags().StringVar(dir, "config-dir", "", "`DIR` of the configuration, for clients that do not have KEYFOB_CONFIG_DIR")
	cliutil.CompleteFlagWith(cmd, "key", completion.Key(f))
}

func newKeyAccess(f *cliutil.Factory, key, dir string) (*keyAccess, error) {
	if key == "" {
		err := cliutil.UsageError("--key is required")
		err.Hint = "see the ids with `keyfob keys list`"
		return nil, err
	}
	if dir != "" {
		env := f.Env
		f.Env = func(name string) string {
			if name == config.EnvDir {
				return dir
			}
			return env(name)
		}
	}
	return &keyAccess{f: f, key: key, note: func(format string, args ...any) {
		(&cliutil.Output{IO: f.IO}).Note(format, args...)
	}}, nil
}
