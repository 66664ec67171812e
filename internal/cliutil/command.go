package cliutil

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/pkg/secret"
)

// Group completes a command that only holds others: bare, it prints its help; with a word that is none of them, it
// fails with a suggestion. (cobra alone prints help and exits 0: it never asks a parent without RunE for its Args.)
func Group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownCommand(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(children...)
	return cmd
}

func unknownCommand(cmd *cobra.Command, word string) *Error {
	err := UsageError("unknown command %q for %q", shown(word), cmd.CommandPath())
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		err.Hint = fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))
		return err
	}
	err.Hint = fmt.Sprintf("see `%s --help`", cmd.CommandPath())
	return err
}

// ExactArgs asks for one argument for each name.
func ExactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageOf(cmd, UsageError("missing argument: %s", names[len(args)]))
		}
		if len(args) > len(names) {
			return usageOf(cmd, UsageError("unexpected argument: %q", shown(args[len(names)])))
		}
		return nil
	}
}

// shown is a word of the command line as an error may repeat it: printable, and not when it is a secret that was put in the
// wrong place. (Everyone on the machine could read it there; the error need not carry it into a log as well.)
func shown(word string) string {
	for _, kind := range []secret.Kind{secret.Key, secret.Session} {
		if at := strings.Index(word, string(kind)); at >= 0 {
			return Printable(word[:at]) + string(kind) + "…"
		}
	}
	return Printable(word)
}

// FlagError makes an error of parsing flags one of usage; it is cobra's FlagErrorFunc.
func FlagError(cmd *cobra.Command, err error) error {
	return usageOf(cmd, UsageError("%s", shown(err.Error())))
}

func usageOf(cmd *cobra.Command, err *Error) *Error {
	err.Hint = fmt.Sprintf("see `%s --help`", cmd.CommandPath())
	return err
}

// Run calls the verb's work, or what a test put in its place.
func Run[O any](ctx context.Context, opts *O, test, run func(context.Context, *O) error) error {
	if test != nil {
		return test(ctx, opts)
	}
	return run(ctx, opts)
}

// RunVerb is the end of a verb's parsing: it takes the output that was asked for into out, and runs.
func RunVerb[O any](cmd *cobra.Command, f *Factory, out **Output, opts *O, test, run func(context.Context, *O) error) (err error) {
	if *out, err = f.Output(); err != nil {
		return err
	}
	return Run(cmd.Context(), opts, test, run)
}

// CompleteFlag has values offered for a flag that the command has declared.
func CompleteFlag(cmd *cobra.Command, flag string, values func() []cobra.Completion) {
	CompleteFlagWith(cmd, flag, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	})
}

// CompleteFlagWith has complete asked for a flag that the command has declared.
func CompleteFlagWith(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // only for a flag that was not declared, or twice
	}
}

// OneOf checks that a flag's value is one of those it may have; empty is none given.
func OneOf[S ~string](flag string, value S, all []S) (S, error) {
	if value == "" || slices.Contains(all, value) {
		return value, nil
	}
	err := UsageError("--%s can't be %q", flag, Printable(string(value)))
	var words []string
	for _, v := range all {
		words = append(words, string(v))
	}
	err.Hint = "use one of " + strings.Join(words, ", ")
	return "", err
}
