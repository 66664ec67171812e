package mcp

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/shellquote"
)

// ChooseShell returns the shell of the flag's value, or with an empty one the shell in use.
func ChooseShell(f *cliutil.Factory, value string) (shellquote.Shell, error) {
	if value == "" {
		return shellquote.Detect(f.Env, f.GOOS), nil
	}
	if shell := shellquote.Shell(value); slices.Contains(shellquote.Shells(), shell) {
		return shell, nil
	}
	err := cliutil.UsageError("there is no quoting for the shell %q", cliutil.Printable(value))
	err.Hint = "use one of " + strings.Join(shellNames(), ", ")
	return "", err
}

// ShellUsage is the usage of a --shell flag.
func ShellUsage() string {
	return "the `SHELL` to quote for: " + strings.Join(shellNames(), ", ") + " (default: the one in use)"
}

func shellNames() []cobra.Completion {
	var names []string
	for _, s := range shellquote.Shells() {
		names = append(names, string(s))
	}
	return names
}
