package mcpclient

import "strings"

// splitLine undoes helperLine, and reads what a person wrote for the same shell as long as it has no more than quotes.
func splitLine(line string, windows bool) []string {
	r := lineReader{line: line}
	for r.at < len(line) {
		switch ch := line[r.at]; {
		case windows && (ch == '\\' || ch == '"'):
			r.windowsMarks()
		case !windows && r.posixMark(ch):
		case ch == ' ' && r.quote == 0:
			r.end()
			r.at++
		default:
			r.take(ch)
		}
	}
	r.end()
	return r.words
}

// lineReader takes a line apart.
type lineReader struct {
	line  string
	at    int
	words []string
	word  []byte
	open  bool // a word has begun, be it empty
	quote byte // that is open, or 0
}

func (r *lineReader) take(ch byte) {
	r.word, r.open = append(r.word, ch), true
	r.at++
}

func (r *lineReader) end() {
	if r.open {
		r.words = append(r.words, string(r.word))
	}
	r.word, r.open = nil, false
}

// windowsMarks reads as CommandLineToArgvW does: 2n backslashes before a double quote are n, and the quote opens or closes;
// 2n+1 are n and a plain quote; others are themselves.
func (r *lineReader) windowsMarks() {
	slashes := len(r.line[r.at:]) - len(strings.TrimLeft(r.line[r.at:], `\`))
	r.at += slashes
	r.open = true
	quote := r.at < len(r.line) && r.line[r.at] == '"'
	kept := slashes
	if quote {
		kept = slashes / 2
	}
	r.word = append(r.word, strings.Repeat(`\`, kept)...)
	switch {
	case !quote:
	case slashes%2 == 1:
		r.take('"')
	default:
		r.quote ^= '"'
		r.at++
	}
}

// posixMark reads a quote or a backslash of sh, and says whether it did.
func (r *lineReader) posixMark(ch byte) bool {
	switch {
	case r.quote == 0 && (ch == '\'' || ch == '"'):
		r.quote, r.open = ch, true
	case r.quote == ch && r.quote != 0:
		r.quote = 0
	case ch == '\\' && r.quote != '\'' && r.at+1 < len(r.line):
		r.at++
		r.take(r.line[r.at])
		return true
	default:
		return false
	}
	r.at++
	return true
}
