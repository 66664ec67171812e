package sink

import (
	"errors"
	"strings"
)

// Words splits a command as a shell does (POSIX.1-2024, XCU 2.2): at blanks, but not within quotes. In single quotes all is taken as
// it is; a backslash takes the next character as it is, in double quotes only one of " \ $ and `. That is all: no variables, no
// patterns, no pipes, since no shell is run.
func Words(command string) ([]string, error) {
	w := splitter{}
	for _, c := range command {
		w.take(c)
	}
	w.end()
	switch {
	case w.quote != 0:
		return nil, errors.New("a quote is not closed")
	case w.escaped:
		return nil, errors.New("it ends in a backslash")
	case len(w.words) == 0 || w.words[0] == "":
		return nil, errors.New("it is empty")
	case strings.ContainsRune(command, 0):
		return nil, errors.New("it holds a NUL character")
	}
	return w.words, nil
}

// splitter is somewhere in a command.
type splitter struct {
	words   []string
	word    strings.Builder
	begun   bool // a word, if only by an empty pair of quotes
	quote   rune // the one that is open; 0: none
	escaped bool // a backslash stands before
}

func (w *splitter) take(c rune) {
	switch {
	case w.escaped:
		if w.quote == '"' && !strings.ContainsRune("\"\\$`", c) {
			w.word.WriteRune('\\')
		}
		w.word.WriteRune(c)
		w.escaped = false
	case c == '\\' && w.quote != '\'':
		w.escaped, w.begun = true, true
	case w.quote != 0:
		w.inQuote(c)
	case c == '"' || c == '\'':
		w.quote, w.begun = c, true
	case c == ' ' || c == '\t' || c == '\n':
		w.end()
	default:
		w.word.WriteRune(c)
		w.begun = true
	}
}

func (w *splitter) inQuote(c rune) {
	if c == w.quote {
		w.quote = 0
		return
	}
	w.word.WriteRune(c)
}

// end ends a word, if one has begun.
func (w *splitter) end() {
	if w.begun {
		w.words = append(w.words, w.word.String())
	}
	w.word.Reset()
	w.begun = false
}
