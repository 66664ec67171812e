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

	// Lock keeps rotations that run at once from one file; nil: there is one.
	Lock func(path string) (unlock func())

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

	All       bool // keys, instead of Key: those of the following
	Tags      []string
	OlderThan time.Duration
	DryRun    bool
}

// NewCmdRotate returns "keyfob keys rotate". runF replaces rotateRun in tests.
func NewCmdRotate(f *cliutil.Factory, runF func(context.Context, *RotateOptions) error) *cobra.Command {
	opts := &RotateOptions{Session: f.Session, Env: f.Env, Environ: f.Environ, Now: f.Now, Journal: rotation.Journal{Now: f.Now}, Clients: clientSinks(f)}
	v := &rotateFlags{grace: cliutil.Period(api.RotationGrace)}
	cmd := &cobra.Command{
		Use:   "rotate KEY | --all",
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

--all rotates every enabled key, or those that --tag and --older-than leave, 16 at a time; {name} and {id} in --to and --check stand
for the key's. What fails keeps its old secret, and the same command run again does nothing twice.

In GitHub Actions the secret is masked first, through stderr, and the run's id, as GitLab's pipeline id, says which run this is,
so that a job that is run again rotates once.`,
		Example: `$ keyfob keys rotate ci --to dotenv:.env#API_KEY --check './smoke-test' --grace 1h
$ keyfob keys rotate ci --to github:acme/app#API_KEY --to k8s:prod/app#api-key
$ keyfob keys rotate ci --to file:ci.key --retire silence:15m --on-use fail --wait
$ keyfob keys rotate ci --retire now
$ keyfob keys rotate ci --abort
$ keyfob keys rotate --all --tag team=web --older-than 90d --to 'file:keys/{name}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if opts.All {
				return cliutil.ExactArgs()(cmd, args)
			}
			return cliutil.ExactArgs("the key's name or id")(cmd, args)
		},
		ValidArgsFunction: completeKey(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !opts.All {
				opts.Key = args[0]
			}
			if err := v.read(cmd, opts); err != nil {
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
	v.add(cmd, f, opts)
	return cmd
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

// rotateRun goes one of four ways: rotate many, take an open rotation back, end what an earlier one left, or rotate.
func rotateRun(ctx context.Context, opts *RotateOptions) error {
	if opts.All {
		return rotateAll(ctx, opts)
	}
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
