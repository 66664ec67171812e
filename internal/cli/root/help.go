package root

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
)

// Topic is a page of help that belongs to no command.
type Topic struct {
	Name, Short string
	Text        func() string
}

// Topics is the one table of such pages; the help command, its completion and docs/cli derive from it.
func Topics() []Topic {
	return []Topic{
		{"environment", "The environment variables", environmentText},
		{"exit-codes", "What each exit code means", exitCodesText},
		{"output", "What goes to stdout and stderr, and in which form", outputText},
	}
}

func newCmdHelp(f *cliutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND | TOPIC]",
		Short:   "Help about a command or a topic",
		Example: "$ keyfob help keys create\n$ keyfob help exit-codes\n$ keyfob help environment",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeHelp(cmd.Root(), args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			for _, t := range Topics() {
				if len(args) == 1 && args[0] == t.Name {
					_, err := fmt.Fprint(f.IO.Out, t.Text())
					return err
				}
			}
			target, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				e := cliutil.UsageError("no help for %q", strings.Join(args, " "))
				e.Hint = "see `keyfob help`"
				return e
			}
			target.InitDefaultHelpFlag()
			return target.Help()
		},
	}
}

func completeHelp(root *cobra.Command, args []string) []cobra.Completion {
	var found []cobra.Completion
	if len(args) == 0 {
		for _, t := range Topics() {
			found = append(found, cobra.CompletionWithDesc(t.Name, t.Short))
		}
	}
	parent, rest, err := root.Find(args)
	if err != nil || len(rest) > 0 {
		return found
	}
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			found = append(found, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
	}
	return found
}

func environmentText() string {
	var b strings.Builder
	b.WriteString("A flag is stronger than its variable, a variable than the context, the context than the config file.\n\n")
	for _, o := range config.Options() {
		if o.Env == "" {
			continue
		}
		usage := strings.ReplaceAll(o.Usage, "`", "")
		if o.Flag != "" {
			usage += " (--" + o.Flag + ")"
		}
		fmt.Fprintf(&b, "%-22s  %s\n", o.Env, usage)
	}
	b.WriteString("\nThe session is that of KEYFOB_TOKEN. Without it, and where KEYFOB_URL is set, it is given for a CI job's token: that of\n" +
		"KEYFOB_OIDC_TOKEN_FILE, else KEYFOB_ID_TOKEN, else the one that GitHub Actions makes for a job with the permission\n" +
		"id-token: write. Elsewhere it is the one that `keyfob auth login` keeps.\n")
	return b.String()
}

func exitCodesText() string {
	var b strings.Builder
	for _, e := range cliutil.ExitCodes() {
		fmt.Fprintf(&b, "%4d  %s\n", e.Exit, e.Meaning)
	}
	return b.String()
}

func outputText() string {
	return `Stdout is the payload, stderr is everything else.

On a terminal a list is a table with a header. Elsewhere it is tab-separated, without a header, untruncated, with
RFC 3339 times, so that cut and awk can read it.

-o json and -o yaml write one object. A list is {"keys":[…],"next_page_token":""}, one thing is {"key":{…}}, and what
makes a secret adds "secret":"kf_…". Members may be added, never changed.

A failure leaves stdout empty, but where only some of many failed the results of all are there. With -o json it is one
object on stderr:
{"error":{"code":"…","message":"…","hint":"…","request_id":"…","status":404}}

-q prints only ids, or only the secret.
`
}
