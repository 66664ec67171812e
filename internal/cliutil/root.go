package cliutil

import (
	"slices"

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

func globalFlag(flags *pflag.FlagSet, o config.Option) {
	if o.Bool {
		flags.BoolP(o.Flag, o.Short, false, o.Usage)
		return
	}
	flags.StringP(o.Flag, o.Short, o.Default, o.Usage)
}
