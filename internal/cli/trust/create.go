package trust

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
)

// CreateOptions is all that createRun needs, whatever the provider.
type CreateOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output

	Provider   api.TrustProvider
	Name       string
	Issuer     string
	Conditions map[string]string // claims and values; those without a value are not asked for
	Allow      []string
	Keys       []string
}

// condition is a flag that asks for the value of a claim.
type condition struct{ flag, claim, usage string }

// complete completes a command that makes a rule: with a flag for each condition and those that all providers have. needs are flags
// that can't be left out.
func complete(
	f *cliutil.Factory, cmd *cobra.Command, provider api.TrustProvider, runF func(context.Context, *CreateOptions) error, needs []string,
	conditions ...condition,
) *CreateOptions {
	opts := &CreateOptions{Session: f.Session, Provider: provider, Conditions: map[string]string{}}
	cmd.Args = cliutil.ExactArgs()
	values := make([]string, len(conditions))
	flags := cmd.Flags()
	for i, c := range conditions {
		flags.StringVar(&values[i], c.flag, "", c.usage)
	}
	flags.StringVar(&opts.Name, "name", "", "`NAME` of the rule (default made of the conditions)")
	flags.StringArrayVar(&opts.Allow, "allow", nil, "a `PERMISSION` of the jobs, such as keys:rotate; may be repeated")
	flags.StringArrayVar(&opts.Keys, "key", nil, "a `PATTERN` of the keys that the jobs reach, such as 'ci-*'; may be repeated")
	cliutil.CompleteFlag(cmd, "allow", func() []cobra.Completion {
		var words []cobra.Completion
		for _, p := range api.TrustPermissions() {
			words = append(words, cobra.Completion(p))
		}
		return words
	})
	cliutil.CompleteFlagWith(cmd, "key", func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completion.Keys(f)(cmd, opts.Keys, word)
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, flag := range append(needs, "allow", "key") {
			if !flags.Changed(flag) {
				return cliutil.UsageError("--%s is missing", flag)
			}
		}
		for i, c := range conditions {
			if flags.Changed(c.flag) && values[i] == "" {
				return cliutil.UsageError("--%s is empty", c.flag)
			}
			if values[i] != "" {
				opts.Conditions[c.claim] = values[i]
			}
		}
		return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, createRun)
	}
	return opts
}

func createRun(ctx context.Context, opts *CreateOptions) error {
	in := api.CreateTrustRuleRequest{
		Name: opts.Name, Provider: opts.Provider, Issuer: opts.Issuer, Conditions: opts.Conditions, Keys: opts.Keys,
	}
	for _, word := range opts.Allow {
		p, err := cliutil.OneOf("allow", api.Permission(strings.TrimSpace(word)), api.TrustPermissions())
		if err != nil {
			return err
		}
		in.Permissions = append(in.Permissions, p)
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	rule, err := at.CreateTrustRule(ctx, at.Org, in)
	if err != nil {
		e := cliutil.Describe(err)
		if e.Code == string(api.CodeNameTaken) && opts.Name == "" {
			e.Hint = "the name was made of the conditions: give the rule another with --name"
		}
		return e
	}
	switch {
	case opts.Out.Structured():
		return opts.Out.Object(api.TrustRuleEnvelope{Rule: rule})
	case opts.Out.Quiet:
		return opts.Out.Line("%s", cliutil.Printable(rule.ID))
	}
	opts.Out.Note("Jobs of %s may now %s on the keys %s.", cliutil.Printable(rule.Name), words(rule.Permissions), cliutil.Printable(strings.Join(rule.Keys, ", ")))
	opts.Out.Note("In the job set KEYFOB_URL to %s and KEYFOB_ORG to %s; the token's audience is that URL.", cliutil.Printable(rule.Audience), cliutil.Printable(at.Org))
	return nil
}

func words(permissions []api.Permission) string {
	out := make([]string, len(permissions))
	for i, p := range permissions {
		out[i] = string(p)
	}
	return cliutil.Printable(strings.Join(out, ", "))
}
