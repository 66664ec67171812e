package shellquote_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/shellquote"
)

// Small models of the parsers that no test here can run: cmd.exe, PowerShell, CommandLineToArgvW; and of POSIX and fish
// quoting for the fuzzer, which is too fast for processes. Each returns ok=false for a line outside what it models.

// argvW is CommandLineToArgvW after the program name: 2n backslashes and a quote are n and a toggle, 2n+1 are n and a quote.
func argvW(line string) []string {
	var (
		out    []string
		cur    []byte
		inWord bool
		quoted bool
	)
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == '\\':
			n := 0
			for i < len(line) && line[i] == '\\' {
				n, i = n+1, i+1
			}
			inWord = true
			if i == len(line) || line[i] != '"' {
				cur = append(cur, strings.Repeat(`\`, n)...)
				continue
			}
			cur = append(cur, strings.Repeat(`\`, n/2)...)
			if n%2 == 1 {
				cur = append(cur, '"')
				i++
			}
		case c == '"':
			quoted, inWord = !quoted, true
			i++
		case c == ' ' && !quoted:
			if inWord {
				out = append(out, string(cur))
			}
			cur, inWord = nil, false
			i++
		default:
			cur, inWord = append(cur, c), true
			i++
		}
	}
	if inWord {
		out = append(out, string(cur))
	}
	return out
}

// cmdLeavesAlone says whether cmd.exe would pass the line on byte for byte, whatever variables are set and however often
// it reads it.
func cmdLeavesAlone(line string) bool {
	segments := strings.Split(line, `"`)
	for i, s := range segments {
		if strings.ContainsAny(s, "%!^\r\n") || i%2 == 0 && strings.ContainsAny(s, "&|<>()") {
			return false
		}
	}
	return len(segments)%2 == 1
}

// powershellWords reads words of [A-Za-z0-9_-] and '…' words; every sort of single quote opens, closes and doubles.
func powershellWords(line string) ([]string, bool) {
	var out []string
	runes := []rune(line)
	isQuote := func(i int) bool { return i < len(runes) && strings.ContainsRune("'‘’‚‛", runes[i]) }
	for i := 0; i < len(runes); i++ {
		var word []rune
		if !isQuote(i) {
			for ; i < len(runes) && runes[i] != ' '; i++ {
				if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", runes[i]) {
					return nil, false
				}
				word = append(word, runes[i])
			}
			out = append(out, string(word))
			continue
		}
		for i++; ; i++ {
			if i >= len(runes) {
				return nil, false
			}
			if isQuote(i) {
				if i++; !isQuote(i) {
					break
				}
			}
			word = append(word, runes[i])
		}
		if i < len(runes) && runes[i] != ' ' {
			return nil, false
		}
		out = append(out, string(word))
	}
	return out, true
}

// powershellLegacy is how Windows PowerShell, and every PowerShell for a .cmd, makes the raw line: a word with a blank
// outside unescaped quotes is put between quotes, nothing is escaped, an empty word is dropped.
func powershellLegacy(words []string) string {
	var raw []string
	for _, w := range words {
		switch {
		case w == "":
			continue
		case strings.Contains(w, " "):
			w = `"` + w + `"`
		}
		raw = append(raw, w)
	}
	return strings.Join(raw, " ")
}

func quotedWords(line string, fish bool) ([]string, bool) {
	var (
		out    []string
		cur    strings.Builder
		quoted bool
	)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted = !quoted
		case c == '\\' && (!quoted || fish):
			if i++; i == len(line) || line[i] != '\'' && line[i] != '\\' {
				return nil, false
			}
			cur.WriteByte(line[i])
		case quoted:
			cur.WriteByte(c)
		case c == ' ':
			out = append(out, cur.String())
			cur.Reset()
		case strings.IndexByte("$`\"&|;<>(){}[]*?!#~=%^", c) >= 0:
			return nil, false
		default:
			cur.WriteByte(c)
		}
	}
	return append(out, cur.String()), !quoted
}

// checkAgainstModels returns how many of the lines were written at all.
func checkAgainstModels(t *testing.T, args []string) int {
	t.Helper()
	written := 0
	argv := append([]string{"prog"}, args...)
	for _, sh := range shellquote.Shells() {
		for _, target := range []shellquote.Target{shellquote.Any, shellquote.Batch} {
			line, err := shellquote.LineFor(sh, argv, target)
			if err != nil {
				if !errors.Is(err, shellquote.ErrUnquotable) || line != "" {
					t.Fatalf("%s %q: %q, %v", sh, argv, line, err)
				}
				continue
			}
			written++
			if strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
				t.Fatalf("%s %q: control character in %q", sh, argv, line)
			}
			got, ok := read(sh, target, line, argv)
			if !ok || !slices.Equal(got, argv) {
				t.Errorf("%s, target %d: argv %q, line %s\nread as %q, ok %v", sh, target, argv, line, got, ok)
			}
		}
	}
	return written
}

func read(sh shellquote.Shell, target shellquote.Target, line string, argv []string) ([]string, bool) {
	switch sh {
	case shellquote.Cmd:
		return argvW(line), cmdLeavesAlone(line)
	case shellquote.PowerShell:
		words, ok := powershellWords(line)
		if !ok || target == shellquote.Any && !slices.Equal(words, argv) { // PowerShell 7.3 to an .exe: the words as they are
			return words, false
		}
		raw := powershellLegacy(words)
		return argvW(raw), cmdLeavesAlone(raw)
	default:
		return quotedWords(line, sh == shellquote.Fish)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	written := 0
	for _, w := range nastyWords() {
		written += checkAgainstModels(t, []string{w})
	}
	for _, argv := range randomArgvs(2000) {
		for _, w := range argv { // one by one: a single refused word refuses the line
			written += checkAgainstModels(t, []string{"a", w, "z"})
		}
	}
	if written < 20000 {
		t.Errorf("only %d lines were written", written)
	}
}

func FuzzLine(f *testing.F) {
	for _, w := range nastyWords() {
		if len(w) < 1000 {
			f.Add(w, "z")
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) { checkAgainstModels(t, []string{a, b}) })
}
