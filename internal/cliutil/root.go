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
	// What cobra's MarkFlags… methods leave at each flag of a group, the group's names in one string.
	for _, group := range []struct {
		annotation, together string
	}{
		{"cobra_annotation_mutually_exclusive", "%s can't be given together"},
		{"cobra_annotation_required_if_others_set", "%s must be given together"},
	} {
		names := map[string]bool{}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Changed {
				for _, members := range f.Annotations[group.annotation] {
					names[members] = true
				}
			}
		})
		for members := range names {
			return usageOf(cmd, UsageError(group.together, "--"+strings.Join(strings.Fields(members), ", --")))
		}
	}
	return FlagError(cmd, err)
}

func globalFlag(flags *pflag.FlagSet, o config.Option) {
	if o.Bool {
		flags.BoolP(o.Flag, o.Short, false, o.Usage)
		return
	}
	flags.StringP(o.Flag, o.Short, o.Default, o.Usage)
}
