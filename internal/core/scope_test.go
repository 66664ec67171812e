package core

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"ci", "ci", true},
		{"ci", "ci-x", false},
		{"ci-*", "ci-", true},
		{"ci-*", "ci-deploy", true},
		{"ci-*", "aci-deploy", false},
		{"*", "", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"*b*", "abc", true},
		{"*a*b", "ba", false},
		{"a**b", "ab", true},
		{"[a]?", "[a]?", true},
		{"[a]?", "ab", false},
		{"a*", "a/b", true},
	} {
		if got := matches(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%q and %q: %t", tt.pattern, tt.name, got)
		}
	}
}

// TestPatternsAsAnother compares with package path, which knows '*' as well: it stops at a slash alone.
func TestPatternsAsAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 0, 8).Draw(t, "pattern"), "")
		name := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 0, 8).Draw(t, "name"), "")
		if want, err := path.Match(pattern, name); err != nil || matches(pattern, name) != want {
			t.Fatalf("%q and %q: %t, want %t, %v", pattern, name, matches(pattern, name), want, err)
		}
	})
}
