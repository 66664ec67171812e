package mcpconnect

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// diff shows the lines that change, without those around them: they are the user's, and may hold secrets of others. What
// looks like a secret in the lines shown is masked.
func diff(path string, before, after []byte) string {
	old, fresh := lines(before), lines(after)
	head := 0
	for head < len(old) && head < len(fresh) && old[head] == fresh[head] {
		head++
	}
	tail := 0
	for tail < len(old)-head && tail < len(fresh)-head && old[len(old)-1-tail] == fresh[len(fresh)-1-tail] {
		tail++
	}
	old, fresh = old[head:len(old)-tail], fresh[head:len(fresh)-tail]
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n@@ -%s +%s @@\n", path, path, span(head, len(old)), span(head, len(fresh)))
	for _, side := range []struct {
		mark  string
		lines []string
	}{{"-", old}, {"+", fresh}} {
		for _, line := range side.lines {
			b.WriteString(side.mark + mask(strings.TrimRight(line, "\r\n")) + "\n")
		}
	}
	return b.String()
}

// span is a hunk's lines as diff -u has them: an empty one begins with the line before it.
func span(before, n int) string {
	return fmt.Sprintf("%d,%d", before+min(n, 1), n)
}

func lines(data []byte) []string {
	var all []string
	for line := range bytes.Lines(data) {
		all = append(all, string(line))
	}
	return all
}

// mask hides runs that are long and mixed enough to be a secret; words and paths stay.
func mask(line string) string {
	return regexp.MustCompile(`[A-Za-z0-9_+=.-]{20,}`).ReplaceAllStringFunc(line, func(run string) string {
		if !strings.ContainsAny(run, "0123456789") || strings.HasPrefix(run, "key_") { // the id of a key is none
			return run
		}
		return run[:3] + "…"
	})
}
