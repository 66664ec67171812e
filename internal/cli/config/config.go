// Package config is the noun "config" of the command line: the options, where each value comes from, and the contexts. It
// must not know the service or any credential.
package config

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/internal/config"
)

// Options is all that the verbs of this noun need.
type Options struct {
	Config func() (*config.Config, error)
	Out    *cliutil.Output

	Name, Value string
}

type run func(context.Context, *Options) error

// NewCmdConfig returns "keyfob config".
func NewCmdConfig(f *cliutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "See and set options, and switch between contexts",
		Example: `$ keyfob config list
$ keyfob config use-context work
$ keyfob config set output json`,
	}
	return cliutil.Group(cmd, NewCmdList(f, nil), NewCmdGet(f, nil), NewCmdSet(f, nil), NewCmdUseContext(f, nil))
}

// NewCmdGet returns "keyfob config get". runF replaces getRun in tests.
func NewCmdGet(f *cliutil.Factory, runF run) *cobra.Command {
	opts := &Options{Config: f.Config}
	return &cobra.Command{
		Use:   "get OPTION",
		Short: "Print an option's value",
		Example: `$ keyfob config get url
$ keyfob config get context
$ keyfob config get output -o json`,
		Args:              cliutil.ExactArgs("the option"),
		ValidArgsFunction: completion.First(completeOptions(func(o config.Option) bool { return !o.Sensitive })),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, getRun)
		},
	}
}

func getRun(_ context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	value, err := valueOf(cfg, opts.Name)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(value)
	}
	return opts.Out.Line("%s", cliutil.Printable(value.Value))
}

// NewCmdSet returns "keyfob config set". runF replaces setRun in tests.
func NewCmdSet(f *cliutil.Factory, runF run) *cobra.Command {
	opts := &Options{Config: f.Config}
	return &cobra.Command{
		Use:   "set OPTION VALUE",
		Short: "Write an option into the config file; nothing else in the file changes",
		Example: `$ keyfob config set output json
$ keyfob config set no_input true
$ keyfob config set context work`,
		Args: cliutil.ExactArgs("the option", "the value"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return completeValue(f, args[0])(cmd, args, word)
			}
			return completion.First(completeOptions(func(o config.Option) bool { return o.File }))(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name, opts.Value = args[0], args[1]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, setRun)
		},
	}
}

func setRun(_ context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	if opts.Name == config.OptContext {
		if _, err := config.ReadContext(cfg.Dir, opts.Value); err != nil {
			return err
		}
	}
	if err := config.SetOption(cfg.Dir, opts.Name, opts.Value); err != nil {
		return err
	}
	switch origin := cfg.Origin(opts.Name); origin {
	case config.OriginFlag, config.OriginEnv:
		opts.Out.Note("warning: the %s sets %s to something else here, and goes before the file.", origin, opts.Name)
	case config.OriginContext, config.OriginFile, config.OriginDefault:
	}
	opts.Out.Note("Set %s to %s.", opts.Name, cliutil.Printable(opts.Value))
	return nil
}

// NewCmdUseContext returns "keyfob config use-context". runF replaces useContextRun in tests.
func NewCmdUseContext(f *cliutil.Factory, runF run) *cobra.Command {
	opts := &Options{Config: f.Config}
	return &cobra.Command{
		Use:   "use-context NAME",
		Short: "Make a context the one that commands use",
		Example: `$ keyfob config use-context work
$ keyfob config use-context local -o json
$ keyfob keys list --context local`,
		Args:              cliutil.ExactArgs("the context's name"),
		ValidArgsFunction: completion.First(completion.Contexts(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, useContextRun)
		},
	}
}

func useContextRun(_ context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	if err := config.UseContext(cfg.Dir, opts.Name); err != nil {
		return err
	}
	chosen, err := config.ReadContext(cfg.Dir, opts.Name)
	if err != nil {
		return err
	}
	for _, name := range []string{config.OptToken, config.OptURL, config.OptContext} {
		if origin := cfg.Origin(name); origin != config.OriginContext && origin != config.OriginDefault && cfg.String(name) != opts.Name {
			opts.Out.Note("warning: %s is set by %s and goes before the context.", name, source(name, origin))
		}
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"context": contextOf(*chosen, true)})
	}
	opts.Out.Note("Commands now use the context %q: %s.", chosen.Name, chosen.URL)
	return nil
}

// completeOptions completes the names of the options that the condition selects.
func completeOptions(want func(config.Option) bool) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var names []cobra.Completion
		for _, o := range config.Options() {
			if want(o) {
				names = append(names, cobra.CompletionWithDesc(o.Name, cliutil.Plain(o.Usage)))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func completeValue(f *cliutil.Factory, name string) cobra.CompletionFunc {
	if name == config.OptContext {
		return completion.Contexts(f)
	}
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		for _, o := range config.Options() {
			switch {
			case o.Name == name && o.Bool:
				return []cobra.Completion{"true", "false"}, cobra.ShellCompDirectiveNoFileComp
			case o.Name == name:
				return o.Values, cobra.ShellCompDirectiveNoFileComp
			}
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}
