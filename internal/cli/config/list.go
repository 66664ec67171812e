package config

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
)

// optionValue is an option as `config list -o json` shows it. The value of a sensitive one is only ever "set" or empty.
type optionValue struct {
	Name   string        `json:"name"`
	Value  string        `json:"value"`
	Origin config.Origin `json:"origin"`
	Env    string        `json:"env,omitempty"`
}

// contextValue is a context as `config list -o json` shows it.
type contextValue struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Org     string `json:"org"`
	User    string `json:"user"`
	Store   string `json:"credential_store"`
	Current bool   `json:"current"`
	Error   string `json:"error,omitempty"`
}

// NewCmdList returns "keyfob config list". runF replaces listRun in tests.
func NewCmdList(f *cliutil.Factory, runF run) *cobra.Command {
	opts := &Options{Config: f.Config}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List each option's value and where it comes from, and the contexts",
		Long: `List each option's value and where it comes from (flag, environment, context, file or default, the first that has it), and
the contexts with the current one marked. Secrets are never shown.`,
		Example: `$ keyfob config list
$ keyfob config list -q
$ keyfob config list -o json | jq -r '.contexts[].name'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, listRun)
		},
	}
}

func listRun(_ context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	var values []optionValue
	for _, o := range config.Options() {
		value, err := valueOf(cfg, o.Name)
		if err != nil {
			return err
		}
		values = append(values, value)
	}
	contexts, err := contextsOf(cfg)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"options": values, "contexts": contexts})
	}
	return printList(opts.Out, values, contexts)
}

func printList(out *cliutil.Output, values []optionValue, contexts []contextValue) error {
	var options, rows [][]string
	for _, v := range values {
		options = append(options, []string{v.Name, v.Value, source(v.Name, v.Origin)})
	}
	for _, c := range contexts {
		current := ""
		if c.Current {
			current = "*"
		}
		if out.Quiet {
			if err := out.Line("%s", c.Name); err != nil {
				return err
			}
			continue
		}
		where := c.URL
		if c.Error != "" {
			where = c.Error
		}
		rows = append(rows, []string{c.Name, where, c.Org, c.User, c.Store, current})
	}
	if out.Quiet {
		return nil
	}
	if err := out.Table([]string{"OPTION", "VALUE", "FROM"}, options); err != nil || len(rows) == 0 {
		return err
	}
	if err := out.Line(""); err != nil {
		return err
	}
	return out.Table([]string{"CONTEXT", "SERVICE", "ORG", "USER", "SESSION IN", "CURRENT"}, rows)
}

func valueOf(cfg *config.Config, name string) (optionValue, error) {
	i := slices.IndexFunc(config.Options(), func(o config.Option) bool { return o.Name == name })
	if i < 0 {
		e := cliutil.UsageError("there is no option %s", cliutil.Quoted(name))
		e.Hint = "`keyfob config list` shows all of them"
		return optionValue{}, e
	}
	o := config.Options()[i]
	v := optionValue{Name: name, Value: cfg.String(name), Origin: cfg.Origin(name), Env: o.Env}
	switch {
	case o.Sensitive && v.Value != "":
		v.Value = "(set)"
	case name == config.OptConfigDir && v.Value == "":
		v.Value = cfg.Dir
	}
	return v, nil
}

// source names where a value comes from as the user finds it there.
func source(name string, origin config.Origin) string {
	for _, o := range config.Options() {
		switch {
		case o.Name != name:
		case origin == config.OriginEnv:
			return o.Env
		case origin == config.OriginFlag:
			return "--" + o.Flag
		case origin == config.OriginFile:
			return "the config file"
		}
	}
	return string(origin)
}

func contextsOf(cfg *config.Config) ([]contextValue, error) {
	names, err := config.ContextNames(cfg.Dir)
	if err != nil {
		return nil, err
	}
	contexts := []contextValue{}
	for _, name := range names {
		current := cfg.String(config.OptContext) == name
		c, err := config.ReadContext(cfg.Dir, name)
		if err != nil { // one damaged file must not hide the others
			contexts = append(contexts, contextValue{Name: name, Current: current, Error: fmt.Sprint(err)})
			continue
		}
		contexts = append(contexts, contextOf(*c, current))
	}
	return contexts, nil
}

func contextOf(c config.Context, current bool) contextValue {
	store := c.Store
	switch {
	case c.LocalDir != "":
		store = "file"
	case store == "":
		store = "keyring"
	}
	return contextValue{Name: c.Name, URL: c.URL, Org: c.Org, User: c.User, Store: store, Current: current}
}
