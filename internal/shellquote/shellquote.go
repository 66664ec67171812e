// Package shellquote writes an argv as one line that a person can paste into a shell and that gives exactly that argv.
//
// It serves printing only: a program that runs another one passes an argv and needs no quoting. What a shell or the way
// from it to the program may change is refused, not guessed at. Errors never hold a word of the argv, since a word may be
// a secret. The package must not know which programs its lines run, nor read the environment by itself.
package shellquote

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shell is a family of shells that read a line in the same way.
type Shell string

// The shells that Line can write for. Sh is every POSIX shell: dash, bash, zsh. PowerShell is the one on Windows, both
// Windows PowerShell 5.1 and PowerShell 7.
const (
	Sh         Shell = "sh"
	Fish       Shell = "fish"
	PowerShell Shell = "powershell"
	Cmd        Shell = "cmd"
)

// Shells returns all shells, for help and completion.
func Shells() []Shell { return []Shell{Sh, Fish, PowerShell, Cmd} }

// Target is what the line's program is on Windows. It matters to PowerShell alone, which hands a double quote to an .exe
// and to a .cmd in different ways; the other shells write the same line for every target.
type Target int

const (
	// Any is a program that may be an .exe or a .cmd: a word that the two would receive differently is refused.
	Any Target = iota
	// Batch is a .cmd or .bat wrapper, such as VS Code's code.cmd. PowerShell of every version drops a bare double quote
	// on the way to one (microsoft/vscode#279280), so the quote is written with a backslash.
	Batch
)

// Reasons why a line is refused.
var (
	ErrShell      = errors.New("not a shell that a line can be written for: use sh, fish, powershell or cmd")
	ErrProgram    = errors.New("a line must begin with a program of letters, digits and _ . / + -")
	ErrUnquotable = errors.New("cannot be written safely for this shell")
)

// Line writes argv for the shell. The program argv[0] is a plain name or path, and not a word of the shell's own grammar.
// A word that is not valid UTF-8, that has a character which does not print (control, bidirectional, zero-width), or that
// cannot reach the program unchanged is refused with ErrUnquotable.
func Line(sh Shell, argv []string) (string, error) { return LineFor(sh, argv, Any) }

// LineFor is Line for a program that is known to be of the target's sort.
func LineFor(sh Shell, argv []string, target Target) (string, error) {
	quote, ok := quoter(sh, target)
	if !ok {
		return "", ErrShell
	}
	if len(argv) == 0 || !isProgram(argv[0]) {
		return "", ErrProgram
	}
	words := make([]string, len(argv))
	words[0] = argv[0]
	for i, word := range argv[1:] {
		if err := printable(word); err != nil {
			return "", fmt.Errorf("word %d: %w", i+1, err)
		}
		quoted, err := quote(word)
		if err != nil {
			return "", fmt.Errorf("word %d: %w", i+1, err)
		}
		words[i+1] = quoted
	}
	return strings.Join(words, " "), nil
}

// quoter returns what writes one word.
func quoter(sh Shell, target Target) (func(string) (string, error), bool) {
	switch sh {
	case Sh:
		return posix, true
	case Fish:
		return fish, true
	case PowerShell:
		return func(word string) (string, error) { return powershell(word, target) }, true
	case Cmd:
		return cmd, true
	default:
		return nil, false
	}
}

// posix leaves a word of harmless characters bare. "=" is not among them, because zsh expands =ls.
func posix(word string) (string, error) {
	if word != "" && only(word, "_@+:,./-") {
		return word, nil
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'", nil
}

// fish differs from POSIX inside '…': there a backslash escapes a quote and itself. "%" is not bare: fish expands %self.
func fish(word string) (string, error) {
	if word != "" && only(word, "_@+:,./-") {
		return word, nil
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(word) + "'", nil
}

func isProgram(word string) bool {
	return word != "" && word[0] != '-' && word[0] != '+' && only(word, "_./+-")
}

func printable(word string) error {
	if !utf8.ValidString(word) {
		return fmt.Errorf("%w: it is not valid UTF-8", ErrUnquotable)
	}
	for _, r := range word {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w: it holds U+%04X, which does not print", ErrUnquotable, r)
		}
	}
	return nil
}

// only says that the word has nothing but ASCII letters, digits and the marks.
func only(word, marks string) bool {
	for i := range len(word) {
		if c := word[i]; !isAlnum(c) && strings.IndexByte(marks, c) < 0 {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isAlnum(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' }
