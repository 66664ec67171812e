package root

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
)

// Shell is a shell that completion is written for.
type Shell struct {
	Name  string
	File  string // below completions/
	Write func(root *cobra.Command, w io.Writer) error
}

// Shells is the one table of completion scripts; the command, completions/ and its drift check derive from it.
func Shells() []Shell {
	return []Shell{
		{"bash", "keyfob.bash", func(root *cobra.Command, w io.Writer) error {
			return completion.Script("bash", w, func(w io.Writer) error { return root.GenBashCompletionV2(w, true) })
		}},
		{"zsh", "_keyfob", func(root *cobra.Command, w io.Writer) error {
			return completion.Script("zsh", w, root.GenZshCompletion)
		}},
		{"fish", "keyfob.fish", func(root *cobra.Command, w io.Writer) error {
			return completion.Script("fish", w, func(w io.Writer) error { return root.GenFishCompletion(w, true) })
		}},
		{"powershell", "keyfob.ps1", func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) }},
	}
}

func shellNames() []string {
	var names []string
	for _, s := range Shells() {
		names = append(names, s.Name)
	}
	return names
}

func newCmdCompletion(f *cliutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "completion {" + strings.Join(shellNames(), "|") + "}",
		Short: "Print the completion script of a shell",
		Long: `Print the completion script of a shell.

Load it from the shell's start-up file, or put it where the shell looks for such scripts.`,
		Example: `$ source <(keyfob completion bash)
$ keyfob completion zsh > "${fpath[1]}/_keyfob"
$ keyfob completion fish > ~/.config/fish/completions/keyfob.fish`,
		Args:      cliutil.ExactArgs("the shell"),
		ValidArgs: shellNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			i := slices.Index(shellNames(), args[0])
			if i < 0 {
				err := cliutil.UsageError("no completion for the shell %q", args[0])
				err.Hint = fmt.Sprintf("use one of %s", strings.Join(shellNames(), ", "))
				return err
			}
			return Shells()[i].Write(cmd.Root(), f.IO.Out)
		},
	}
}
