package cliutil

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// LearnMore is the annotation of a root command that says where its help goes on.
const LearnMore = "learn more"

// Help writes a command's help to its output. It is Go rather than a template because cobra's template calls keep the
// linker from dropping dead code.
func Help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	_, _ = fmt.Fprintln(w, strings.TrimSpace(text))
	section(w, "USAGE", usageLine(cmd))
	for _, g := range cmd.Groups() {
		section(w, strings.ToUpper(g.Title), commands(cmd, g.ID))
	}
	section(w, "COMMANDS", commands(cmd, ""))
	section(w, "EXAMPLES", cmd.Example)
	section(w, "FLAGS", flagTable(cmd.LocalNonPersistentFlags()))
	if cmd.HasParent() {
		section(w, "GLOBAL FLAGS", flagTable(cmd.InheritedFlags()))
	} else {
		section(w, "GLOBAL FLAGS", flagTable(cmd.PersistentFlags()))
		section(w, "LEARN MORE", cmd.Annotations[LearnMore])
	}
}

// Usage is the short form that cobra asks for after an error; errors here carry a hint instead.
func Usage(cmd *cobra.Command) error {
	_, err := fmt.Fprintln(cmd.OutOrStderr(), "usage: "+usageLine(cmd))
	return err
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

func commands(cmd *cobra.Command, group string) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.GroupID == group {
			fmt.Fprintf(&b, "%-*s  %s\n", c.NamePadding(), c.Name(), c.Short)
		}
	}
	return b.String()
}

func section(w io.Writer, title, body string) {
	body = strings.Trim(body, "\n")
	if strings.TrimSpace(body) == "" {
		return
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", title)
	for line := range strings.SplitSeq(body, "\n") {
		_, _ = fmt.Fprintln(w, strings.TrimRight("  "+line, " "))
	}
}

// flagTable lists flags one a line: names, what they take, what they mean.
func flagTable(flags *pflag.FlagSet) string {
	var names, usages []string
	width := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		value, usage := pflag.UnquoteUsage(f)
		if f.Value.Type() != "bool" {
			name += " " + strings.ToUpper(value)
			if !slices.Contains([]string{"", "[]", "0s"}, f.DefValue) { // none is no default to tell
				usage += " (default " + f.DefValue + ")"
			}
		}
		names, usages, width = append(names, name), append(usages, usage), max(width, len(name))
	})
	var b strings.Builder
	for i, name := range names {
		fmt.Fprintf(&b, "%-*s  %s\n", width, name, usages[i])
	}
	return b.String()
}
