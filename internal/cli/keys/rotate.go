package keys

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/rotation"
	"github.com/keyfob/keyfob/internal/sink"
	"github.com/keyfob/keyfob/pkg/api"
)

// RotateOptions is all that the rotate verb needs.
type RotateOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Out     *cliutil.Output
	Env     func(string) string
	Environ func() []string
	Now     func() time.Time
	Journal rotation.Journal
	// Clients makes sinks of the AI clients here.
	Clients func(key string) func(id string) (sink.Sink, error)

	Key       string
	To        []string
	Check     string
	Grace     time.Duration
	OnUse     api.OnUse
	Retire    bool          // now
	Quiet     time.Duration // ends the old secret early; 0: it ends with the grace
	Activate  api.Activate
	Wait      bool
	Emergency bool
	Abort     bool
	Force     bool
	Run       string
}

// NewCmdRotate returns "keyfob keys rotate". runF replaces rotateRun in tests.
func NewCmdRotate(f *cliutil.Factory, runF func(context.Context, *RotateOptions) error) *cobra.Command {
	opts := &RotateOptions{Session: f.Session, Env: f.Env, Environ: f.Environ, Now: f.Now, Journal: rotation.Journal{Now: f.Now}, Clients: clientSinks(f)}
	grace := cliutil.Period(api.RotationGrace)
	var onUse, retire, activate string
	cmd := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Give a key another secret, while the old one goes on for a while",
		Long: `Give a key another secret: mint it, deliver it, prove that it works, and make it the current one. The old secret goes on
for the grace; the key keeps its name, id and tags. Where any step fails the old secret works on, and nothing is lost: the same
command run again goes on with the same secret.

The sinks that --to takes are:

` + sinkHelp() + `
What names a vendor drives the vendor's own program (gh, glab, vault, aws, …), which must be signed in, with the secret on stdin.

The service and then the --check command prove the secret before it counts. Commands get it on stdin, without a line break;
they are split into words as a shell does, but none is run. With --retire now the old secret ends at once, also that of a
rotation done before; with --retire silence:15m once it was not used for that long. With --activate first-use the new one becomes
current when somebody uses it. The service sees to both; --wait follows it to the end. --abort takes the new secret back. --emergency ends every old secret before anything else.

In GitHub Actions the secret is masked first, through stderr, and the run's id, as GitLab's pipeline id, says which run this is,
so that a job that is run again rotates once.`,
		Example: `$ keyfob keys rotate ci --to dotenv:.env#API_KEY --check './smoke-test' --grace 1h
$ keyfob keys rotate ci --to github:acme/app#API_KEY --to k8s:prod/app#api-key
$ keyfob keys rotate ci --to file:ci.key --retire silence:15m --on-use fail --wait
$ keyfob keys rotate ci --retire now
$ keyfob keys rotate ci --abort`,
		Args:              cliutil.ExactArgs("the key's name or id"),
		ValidArgsFunction: completeKey(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Key, opts.Grace = args[0], time.Duration(grace)
			if opts.Retire, opts.Quiet, err = parseRetire(retire); err != nil {
				return err
			}
			if opts.Activate, err = cliutil.OneOf("activate", api.Activate(activate), api.Activates()); err != nil {
				return err
			}
			if opts.OnUse, err = cliutil.OneOf("on-use", api.OnUse(onUse), api.OnUses()); err != nil {
				return err
			}
			if err := checkRotate(cmd, opts); err != nil {
				return err
			}
			cfg, err := f.Config()
			if err != nil {
				return err
			}
			opts.Journal.Dir = filepath.Join(cfg.Dir, "rotations")
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, rotateRun)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&opts.To, "to", nil, "deliver the secret to this `SINK`; may be repeated (default stdout)")
	flags.StringVar(&opts.Check, "check", "", "`COMMAND` that proves the secret, which it reads from stdin")
	flags.Var(&grace, "grace", "how long the old secret goes on: a `SPAN` such as 1h or 7d, at most 30d")
	flags.StringVar(&onUse, "on-use", "", "what becomes of an old secret still in use then, `POLICY`: "+join(api.OnUses())+" (default cut)")
	flags.StringVar(&retire, "retire", "", "`WHEN` the old secret ends: now, or silence:15m to end it once it was not used for so long, with the grace at the latest")
	flags.StringVar(&activate, "activate", "", "`WHEN` the new secret becomes the current one: now, or first-use, when somebody uses it (default now)")
	flags.BoolVar(&opts.Wait, "wait", false, "follow until the old secret has ended, and tell who still uses it")
	flags.BoolVar(&opts.Emergency, "emergency", false, "end every old secret first; what uses one fails until it has the new one")
	flags.BoolVar(&opts.Abort, "abort", false, "take the new secret of the open rotation back")
	flags.BoolVar(&opts.Force, "force", false, "with --abort: although the new secret was delivered or used")
	flags.StringVar(&opts.Run, "run", "", "the `ID` of this run: with the same, a run again rotates only once (default: that of the CI job)")
	cliutil.CompleteFlag(cmd, "retire", func() []cobra.Completion { return []cobra.Completion{"now", "silence:15m"} })
	cliutil.CompleteFlag(cmd, "activate", func() []cobra.Completion {
		return []cobra.Completion{string(api.ActivateNow), string(api.ActivateFirstUse)}
	})
	cliutil.CompleteFlag(cmd, "on-use", func() []cobra.Completion { return strings.Split(join(api.OnUses()), ", ") })
	cliutil.CompleteFlagWith(cmd, "to", completeSinks)
	return cmd
}

// checkRotate refuses flags that contradict each other.
func checkRotate(cmd *cobra.Command, opts *RotateOptions) error {
	given := func(names ...string) string {
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				return name
			}
		}
		return ""
	}
	conflict := ""
	switch {
	case opts.Abort:
		conflict = given("to", "check", "grace", "on-use", "retire", "emergency", "run", "activate", "wait")
	case opts.Emergency:
		conflict = given("grace", "on-use", "activate")
		if opts.Quiet > 0 {
			conflict = "retire"
		}
	case opts.Retire:
		conflict = given("grace", "on-use")
	}
	switch {
	case conflict != "":
		return cliutil.UsageError("--%s has no meaning beside the other flags", conflict)
	case opts.Force && !opts.Abort:
		return cliutil.UsageError("--force belongs to --abort")
	case opts.Grace > api.RotationGraceMax || opts.Grace%time.Second != 0:
		return cliutil.UsageError("--grace is whole seconds, at most 30d")
	case opts.Quiet > opts.Grace:
		return cliutil.UsageError("--retire silence is longer than --grace, at whose end the old secret ends anyway")
	}
	return nil
}

// parseRetire reads when an old secret ends: now, or after a silence.
func parseRetire(text string) (now bool, quiet time.Duration, err error) {
	span, silence := strings.CutPrefix(text, "silence:")
	switch {
	case text == "":
		return false, 0, nil
	case text == "now":
		return true, 0, nil
	case !silence:
		return false, 0, cliutil.UsageError("--retire is now or silence:SPAN, such as silence:15m")
	}
	var d cliutil.Period
	if err := d.Set(span); err != nil || d <= 0 || time.Duration(d)%time.Second != 0 {
		return false, 0, cliutil.UsageError("--retire silence:%s is no span of whole seconds, such as silence:15m", span)
	}
	return false, time.Duration(d), nil
}

func sinkHelp() string {
	var b strings.Builder
	for _, k := range sink.Kinds() {
		b.WriteString("  " + k.Form + strings.Repeat(" ", max(2, 34-len(k.Form))) + k.Help + "\n")
	}
	return b.String()
}

// completeSinks offers the kinds; what stands after the colon the user writes.
func completeSinks(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	for _, k := range sink.Kinds() {
		word := k.Name
		if strings.Contains(k.Form, ":") {
			word += ":"
		}
		out = append(out, cobra.CompletionWithDesc(word, k.Help))
	}
	return out, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// rotateRun goes one of three ways: take an open rotation back, end what an earlier one left, or rotate.
func rotateRun(ctx context.Context, opts *RotateOptions) error {
	if opts.Abort {
		return abortRotation(ctx, opts)
	}
	if opts.Retire && len(opts.To) == 0 && opts.Check == "" && !opts.Emergency {
		done, err := retireEarlier(ctx, opts)
		if done || err != nil {
			return err
		}
	}
	return rotateKey(ctx, opts)
}
