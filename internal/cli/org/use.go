package org

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/pkg/api"
)

// UseOptions is all that useRun needs.
type UseOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Config  func() (*config.Config, error)
	Out     *cliutil.Output

	Org string
}

// NewCmdUse returns "keyfob org use". runF replaces useRun in tests.
func NewCmdUse(f *cliutil.Factory, runF func(context.Context, *UseOptions) error) *cobra.Command {
	opts := &UseOptions{Session: f.Session, Config: f.Config}
	return &cobra.Command{
		Use:   "use SLUG",
		Short: "Choose the organisation that the context's commands are about",
		Example: `$ keyfob org use acme
$ keyfob org use acme --context work
$ keyfob keys list --org other`,
		Args:              cliutil.ExactArgs("the organisation's slug"),
		ValidArgsFunction: completion.First(completion.Orgs(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Org = args[0]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, useRun)
		},
	}
}

func useRun(ctx context.Context, opts *UseOptions) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	if cfg.Context == nil || cfg.Context.URL != session.Ref.Origin {
		return &cliutil.Error{
			Code: "no-context", Exit: cliutil.ExitUsage, Message: "no context is in use that could remember the organisation",
			Hint: "set KEYFOB_ORG or give --org, or sign in with `keyfob auth login --url " + session.Ref.Origin + "`",
		}
	}
	orgs, err := session.Client.Orgs(ctx)
	if err != nil {
		return err
	}
	chosen, err := find(orgs, opts.Org)
	if err != nil {
		return err
	}
	changed := *cfg.Context
	changed.Org = chosen.Slug
	if err := config.WriteContext(cfg.Dir, changed); err != nil {
		return err
	}
	if set := cfg.Origin(config.OptOrg); set == config.OriginEnv || set == config.OriginFlag {
		opts.Out.Note("warning: the %s names another organisation for this command; it goes before the context's.", set)
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"context": changed.Name, "org": chosen})
	}
	opts.Out.Note("The context %q is now about %s (%s).", changed.Name, cliutil.Printable(chosen.Slug), chosen.Role)
	return nil
}

func find(orgs []api.Membership, ref string) (api.Membership, error) {
	var slugs []string
	for _, o := range orgs {
		if o.Slug == ref || o.ID == ref {
			return o, nil
		}
		slugs = append(slugs, cliutil.Printable(o.Slug))
	}
	e := &cliutil.Error{
		Code: string(api.CodeOrgNotFound), Exit: cliutil.ExitNotFound, Message: "you belong to no organisation " + cliutil.Quoted(ref),
		Hint: "yours are: " + strings.Join(slugs, ", "),
	}
	if len(slugs) == 0 {
		e.Hint = "ask an owner for `keyfob org members add`"
	}
	return api.Membership{}, e
}
