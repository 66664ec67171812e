package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cli/root"
	"github.com/keyfob/keyfob/internal/cliutil"
)

type result struct {
	exit           cliutil.Exit
	stdout, stderr string
}

func runIn(t *testing.T, home string, args ...string) result {
	t.Helper()
	streams, _, out, errOut := cliutil.TestStreams()
	env := map[string]string{"HOME": home}
	f := cliutil.NewFactory(streams, func(k string) string { return env[k] })
	exit := Run(t.Context(), f, root.New, args)
	return result{exit, out.String(), errOut.String()}
}

// walk calls visit for each command of the tree with its path below the root.
func walk(cmd *cobra.Command, path []string, visit func(*cobra.Command, []string)) {
	visit(cmd, path)
	for _, child := range cmd.Commands() {
		walk(child, append(slices.Clip(path), child.Name()), visit)
	}
}

// TestEveryCommandFailsWell walks the whole tree: an unknown word, an unknown flag or a missing argument exits 2 with a
// message and a hint on stderr and nothing on stdout, as text and as JSON; help exits 0 and writes nothing to disk.
func TestEveryCommandFailsWell(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	streams, _, _, _ := cliutil.TestStreams()
	tree := root.New(cliutil.NewFactory(streams, func(string) string { return "" }))
	commands, quoted := 0, regexp.MustCompile(`'[^']*'|"[^"]*"`)
	walk(tree, nil, func(cmd *cobra.Command, path []string) {
		commands++
		name := strings.Join(append([]string{"keyfob"}, path...), " ")
		if cmd.DisableFlagParsing {
			return // all of its words are another program's
		}
		bad := [][]string{append(slices.Clip(path), "--no-such-flag")}
		if cmd.HasSubCommands() || cmd.Name() == "help" {
			bad = append(bad, append(slices.Clip(path), "no-such-word"))
		}
		if cmd.Args != nil && cmd.Args(cmd, nil) != nil {
			bad = append(bad, path)
		}
		for _, args := range bad {
			usageFailure(t, name, runIn(t, home, args...), false)
			usageFailure(t, name, runIn(t, home, append(args, "-o", "json")...), true)
		}
		help := runIn(t, home, append(slices.Clip(path), "--help")...)
		if help.exit != 0 || help.stderr != "" || !strings.Contains(help.stdout, "USAGE") || !strings.Contains(help.stdout, "EXAMPLES") {
			t.Errorf("%s --help: %+v", name, help)
		}
		if strings.Contains(help.stdout, "(default 0s)") {
			t.Errorf("%s --help names a default that is none: %s", name, help.stdout)
		}
		for line := range strings.Lines(cmd.Example) {
			if bare := quoted.ReplaceAllString(line, ""); strings.ContainsAny(bare, "[]{}*?") {
				t.Errorf("%s: zsh would expand what is not quoted in %q", name, line)
			}
		}
		if n := strings.Count("\n"+cmd.Example, "\n$ "); !cmd.HasSubCommands() && n < 3 {
			t.Errorf("%s has %d examples, want 3", name, n)
		}
	})
	if commands < 14 {
		t.Errorf("the walk found %d commands only", commands)
	}
	if left, err := filepath.Glob(filepath.Join(home, "*")); err != nil || len(left) > 0 {
		t.Errorf("files were written: %v %v", left, err)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("files were written: %v %v", left, err)
	}
}

func usageFailure(t *testing.T, name string, r result, asJSON bool) {
	t.Helper()
	if r.exit != cliutil.ExitUsage || r.stdout != "" {
		t.Errorf("%s: exit %d, stdout %q", name, r.exit, r.stdout)
	}
	if !asJSON {
		if !strings.HasPrefix(r.stderr, "error: ") || !strings.Contains(r.stderr, "\nhint: ") {
			t.Errorf("%s: stderr %q", name, r.stderr)
		}
		return
	}
	var doc errorDoc
	if err := json.Unmarshal([]byte(r.stderr), &doc); err != nil || doc.Error.Code != "usage" || doc.Error.Message == "" || doc.Error.Hint == "" {
		t.Errorf("%s -o json: stderr %q: %v", name, r.stderr, err)
	}
}

// TestTreeCostsNothing holds that building the tree and reading flags asks for no environment and no configuration.
func TestTreeCostsNothing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--version"}, {"--help"}, {"keys", "create", "--help"}, {"__complete", ""}, {"__complete", "mcp", "connect", "--client", ""}} {
		streams, _, _, _ := cliutil.TestStreams()
		f := cliutil.NewFactory(streams, func(name string) string {
			t.Errorf("%v asked for %s", args, name)
			return ""
		})
		f.Executable = func() (string, error) {
			t.Errorf("%v asked where the program lies", args)
			return "", nil
		}
		if exit := Run(t.Context(), f, root.New, args); exit != cliutil.ExitOK {
			t.Errorf("%v: exit %d", args, exit)
		}
	}
}

// fullDisk is an output that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestHelpNeedsAnOutput holds that what cobra writes is not called written when it was not.
func TestHelpNeedsAnOutput(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"keys", "list", "--help"}, {"help", "keys"}, {"keys"}, {"--version"}, {"__complete", "ke"}} {
		streams, _, _, errOut := cliutil.TestStreams()
		streams.Out = fullDisk{}
		f := cliutil.NewFactory(streams, func(string) string { return "" })
		if exit := Run(t.Context(), f, root.New, args); exit != cliutil.ExitFailed || !strings.Contains(errOut.String(), "no space left on device") {
			t.Errorf("%v: exit %d, stderr %q", args, exit, errOut)
		}
	}
}
