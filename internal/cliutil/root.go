package cliutil

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keyfob/keyfob/internal/config"
)

// Root gives a root command what both programs share: one error printer, help without templates, no file names in
// completion, and those global flags of the table of options that it names.
func Root(f *Factory, root *cobra.Command, options ...string) {
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetHelpFunc(Help)
	root.SetUsageFunc(Usage)
	root.SetFlagErrorFunc(FlagError)
	root.PersistentPreRunE = checkFlags
	root.Flags().Bool("version", false, "print the version")
	root.PersistentFlags().BoolP("help", "h", false, "show this help")
	f.Flags = root.PersistentFlags()
	for _, o := range config.Options() {
		if slices.Contains(options, o.Name) {
			globalFlag(f.Flags, o)
		}
	}
	CompleteFlag(root, "output", Formats)
}

// checkFlags is what cobra checks next, but as an error of usage and in words that name the flags.
func checkFlags(cmd *cobra.Command, _ []string) error {
	err := cmd.ValidateFlagGroups()
	if err == nil {
		return nil
	}
	for _, group := range flagGroups(cmd, "cobra_annotation_mutually_exclusive") {
		if given := changed(cmd, group); len(given) > 1 {
			return usageOf(cmd, UsageError("--%s can't be given together", strings.Join(given, ", --")))
		}
	}
	for _, group := range flagGroups(cmd, "cobra_annotation_required_if_others_set") {
		if given := changed(cmd, group); len(given) > 0 && len(given) < len(group) {
			return usageOf(cmd, UsageError("--%s must be given together", strings.Join(group, ", --")))
		}
	}
	return FlagError(cmd, err)
}

// flagGroups returns the names in each group of flags: cobra's MarkFlags… methods leave them at each flag of a group, in one
// string.
func flagGroups(cmd *cobra.Command, annotation string) [][]string {
	var seen []string
	var groups [][]string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for _, members := range f.Annotations[annotation] {
			if !slices.Contains(seen, members) {
				seen = append(seen, members)
				groups = append(groups, strings.Fields(members))
			}
		}
	})
	return groups
}

// changed returns those of the flags that were given.
func changed(cmd *cobra.Command, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !cmd.Flags().Changed(name) })
}

func globalFlag(flags *pflag.FlagSet, o config.Option) {
	if o.Bool {
		flags.BoolP(o.Flag, o.Short, false, o.Usage)
		return
	}
	flags.StringP(o.Flag, o.Short, o.Default, o.Usage)
}
