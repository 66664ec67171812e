package keys

import (
	"io"

	"github.com/keyfob/keyfob/pkg/secret"
)

// ciRun is where a CI says which run this is. The number of the attempt is left out: a job that is run again is the same run.
type ciRun struct{ system, variable, scope string }

func ciRuns() []ciRun {
	return []ciRun{
		{"github", "GITHUB_RUN_ID", "GITHUB_REPOSITORY"},
		{"gitlab", "CI_PIPELINE_ID", "CI_PROJECT_PATH"},
	}
}

// runName is what this run and its repetition have in common; empty: nothing is known.
func runName(opts *RotateOptions) string {
	if opts.Run != "" {
		return "run " + opts.Run
	}
	for _, ci := range ciRuns() {
		if id := opts.Env(ci.variable); id != "" {
			return ci.system + " " + opts.Env(ci.scope) + " " + id
		}
	}
	return ""
}

// mask has GitHub Actions blot the secret out of its log. Its runner looks for commands in both streams of a step: stdout is the
// payload, which a script may have caught, so the line goes to stderr.
func mask(opts *RotateOptions) func(secret.Secret) {
	return func(s secret.Secret) {
		if opts.Env("GITHUB_ACTIONS") == "true" {
			_, _ = io.WriteString(opts.Out.IO.ErrOut, "::add-mask::"+s.Reveal()+"\n")
		}
	}
}
