package mcpconnect

import (
	"strings"
	"testing"
)

// TestDiffSpans holds the lines that a hunk begins with to those of diff -u.
func TestDiffSpans(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ before, after, want string }{
		{"", "a\nb\n", "@@ -0,0 +1,2 @@"},
		{"a\nb\n", "", "@@ -1,2 +0,0 @@"},
		{"a\nc\n", "a\nb\nc\n", "@@ -1,0 +2,1 @@"},
		{"a\nb\nc\n", "a\nB\nc\n", "@@ -2,1 +2,1 @@"},
	} {
		if got := diff("f", []byte(tc.before), []byte(tc.after)); !strings.Contains(got, tc.want+"\n") {
			t.Errorf("%q to %q: %q, want %q", tc.before, tc.after, got, tc.want)
		}
	}
}
