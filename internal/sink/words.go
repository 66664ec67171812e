package sink

import (
	"errors"
	"strings"
)

// Words splits a command as a shell does (POSIX.1-2024, XCU 2.2): at blanks, but not within quotes. In single quotes all is taken as
// it is; a backslash takes the next character as it is, in double quotes only one of " \ $ and `. That is all: no variables, no
// patterns, no pipes, since no shell is run.
func Words(command string) ([]string, error) {
	var (
		out   []string
		word  strings.Builder
		begun bool
		quote rune
		taken bool // the next character as it is
	)
	for _, c := range command {
		switch {
		case taken:
			if quote == '"' && !strings.ContainsRune("\"\\$`", c) {
				word.WriteRune('\\')
			}
			word.WriteRune(c)
			taken = false
		case c == '\\' && quote != '\'':
			taken, begun = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, begun = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if begun {
				out = append(out, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	switch {
	case quote != 0:
		return nil, errors.New("a quote is not closed")
	case taken:
		return nil, errors.New("it ends in a backslash")
	}
	if begun {
		out = append(out, word.String())
	}
	switch {
	case len(out) == 0 || out[0] == "":
		return nil, errors.New("it is empty")
	case strings.ContainsRune(command, 0):
		return nil, errors.New("it holds a NUL character")
	}
	return out, nil
}
