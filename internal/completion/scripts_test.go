package completion

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestScript holds that cobra's scripts still have the places that are mended.
func TestScript(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "prog"}
	for shell, generate := range map[string]func(io.Writer) error{
		"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        root.GenZshCompletion,
		"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": root.GenPowerShellCompletionWithDesc,
	} {
		var b bytes.Buffer
		if err := Script(shell, &b, generate); err != nil {
			t.Error(err)
		}
		for _, m := range mends(shell) {
			if !strings.Contains(b.String(), m.new) {
				t.Errorf("%s: %q is missing", shell, m.new)
			}
		}
	}
	err := Script("fish", io.Discard, func(io.Writer) error { return nil })
	if err == nil || !strings.HasPrefix(err.Error(), "cobra's script for fish holds ") {
		t.Errorf("another script: %v", err)
	}
}
