package daemon

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// TestHelp: examples run where keyfobd is alone, as in its container, and the commands stand in columns.
func TestHelp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	root := NewRoot(&cliutil.Factory{IO: &cliutil.IOStreams{Out: &out, ErrOut: &out}, Env: func(string) string { return "" }})
	for _, c := range root.Commands() {
		if strings.Contains(c.Example, "keyfob serve") {
			t.Errorf("%s: an example of another program: %s", c.Name(), c.Example)
		}
	}
	root.SetOut(&out)
	root.SetArgs([]string{"--help"})
	noError(t, root.ExecuteContext(t.Context()))
	_, commands, _ := strings.Cut(out.String(), "COMMANDS\n")
	commands, _, _ = strings.Cut(commands, "\n\n")
	row := regexp.MustCompile(`^  [a-z-]+ +`)
	width := 0
	for line := range strings.Lines(commands) {
		at := len(row.FindString(line))
		if width == 0 {
			width = at
		}
		if at != width {
			t.Errorf("the column of %q begins at %d, that of others at %d", line, at, width)
		}
	}
	if width == 0 {
		t.Errorf("no commands in %q", out.String())
	}
}
