package keys

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
)

// rotateFlags are the flags of the rotate verb that have to be read further.
type rotateFlags struct {
	grace, olderThan        cliutil.Period
	onUse, retire, activate string
}

func (v *rotateFlags) add(cmd *cobra.Command, f *cliutil.Factory, opts *RotateOptions) {
	flags := cmd.Flags()
	flags.StringArrayVar(&opts.To, "to", nil, "deliver the secret to this `SINK`; may be repeated (default stdout)")
	flags.StringVar(&opts.Check, "check", "", "`COMMAND` that proves the secret, which it reads from stdin")
	flags.Var(&v.grace, "grace", "how long the old secret goes on: a `SPAN` such as 1h or 7d, at most 30d")
	flags.StringVar(&v.onUse, "on-use", "", "what becomes of an old secret still in use then, `POLICY`: "+join(api.OnUses())+" (default cut)")
	flags.StringVar(&v.retire, "retire", "", "`WHEN` the old secret ends: now, or silence:15m to end it once it was not used for so long, with the grace at the latest")
	flags.StringVar(&v.activate, "activate", "", "`WHEN` the new secret becomes the current one: now, or first-use, when somebody uses it (default now)")
	flags.BoolVar(&opts.Wait, "wait", false, "follow until the old secret has ended, and tell who still uses it")
	flags.BoolVar(&opts.Emergency, "emergency", false, "end every old secret first; what uses one fails until it has the new one")
	flags.BoolVar(&opts.Abort, "abort", false, "take the new secret of the open rotation back")
	flags.BoolVar(&opts.Force, "force", false, "with --abort: although the new secret was delivered or used")
	flags.StringVar(&opts.Run, "run", "", "the `ID` of this run: with the same, a run again rotates only once (default: that of the CI job)")
	flags.BoolVar(&opts.All, "all", false, "rotate every enabled key, or those that --tag and --older-than leave")
	flags.StringArrayVar(&opts.Tags, "tag", nil, "with --all: only keys with this tag, `NAME=VALUE`; may be repeated")
	flags.Var(&v.olderThan, "older-than", "with --all: only keys whose current secret is older than this `SPAN`")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "with --all: list the keys, and rotate none")
	cliutil.CompleteFlagWith(cmd, "tag", completion.Tags(f))
	cliutil.CompleteFlag(cmd, "retire", func() []cobra.Completion { return []cobra.Completion{"now", "silence:15m"} })
	cliutil.CompleteFlag(cmd, "activate", func() []cobra.Completion {
		return []cobra.Completion{string(api.ActivateNow), string(api.ActivateFirstUse)}
	})
	cliutil.CompleteFlag(cmd, "on-use", func() []cobra.Completion { return strings.Split(join(api.OnUses()), ", ") })
	cliutil.CompleteFlagWith(cmd, "to", completeSinks)
}

// read sets the options, or says which flags contradict each other.
func (v *rotateFlags) read(cmd *cobra.Command, opts *RotateOptions) (err error) {
	opts.Grace, opts.OlderThan = time.Duration(v.grace), time.Duration(v.olderThan)
	if opts.Retire, opts.Quiet, err = parseRetire(v.retire); err != nil {
		return err
	}
	if opts.Activate, err = cliutil.OneOf("activate", api.Activate(v.activate), api.Activates()); err != nil {
		return err
	}
	if opts.OnUse, err = cliutil.OneOf("on-use", api.OnUse(v.onUse), api.OnUses()); err != nil {
		return err
	}
	if _, err := parseTags(opts.Tags); err != nil {
		return err
	}
	given := func(names ...string) string {
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				return name
			}
		}
		return ""
	}
	conflict, many := contradiction(opts, given), given("tag", "older-than", "dry-run")
	switch {
	case many != "" && !opts.All:
		return cliutil.UsageError("--%s belongs to --all", many)
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

// contradiction names a flag that was given and means nothing beside the others.
func contradiction(opts *RotateOptions, given func(names ...string) string) string {
	conflict := ""
	switch {
	case opts.Abort:
		conflict = given("all", "to", "check", "grace", "on-use", "retire", "emergency", "run", "activate", "wait")
	case opts.Emergency && opts.Quiet > 0:
		conflict = "retire"
	case opts.Emergency:
		conflict = given("grace", "on-use", "activate")
	case opts.Retire:
		conflict = given("grace", "on-use")
	}
	if opts.All && conflict == "" {
		conflict = given("force", "wait")
	}
	return conflict
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
