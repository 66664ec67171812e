package sink

import (
	"bytes"
	"errors"
)

var (
	errNoAssignment = errors.New("is no assignment NAME=VALUE")
	errOpenQuote    = errors.New("begins a value whose quote is not closed")
	errAfterQuote   = errors.New("has text after the closing quote")
)

// envReader stands somewhere in a file of assignments.
type envReader struct {
	text []byte
	at   int
}

// line reads a line, or as many as its value runs over, and stands behind it. A line without an assignment has no name.
func (r *envReader) line() (assignment, error) {
	r.blanks()
	if r.ends() {
		r.next()
		return assignment{}, nil
	}
	name := r.word()
	if name == "export" && r.blanks() {
		name = r.word()
	}
	r.blanks()
	if name == "" || r.at >= len(r.text) || r.text[r.at] != '=' {
		return assignment{}, errNoAssignment
	}
	r.at++
	a := assignment{name: name, start: r.at, end: r.at}
	r.blanks()
	if r.ends() { // nothing, or a comment
		r.next()
		return a, nil
	}
	if c := r.text[r.at]; c == '"' || c == '\'' || c == '`' {
		return r.quoted(a, c)
	}
	a.start = r.at
	stop := r.at + lineLength(r.text[r.at:])
	a.end = r.at + len(bytes.TrimRight(beforeComment(r.text[r.at:stop]), " \t\r"))
	r.at = stop
	r.next()
	return a, nil
}

// quoted reads a value in quotes. Only double ones know a backslash.
func (r *envReader) quoted(a assignment, quote byte) (assignment, error) {
	a.start = r.at + 1
	for i := a.start; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '\\' && quote == '"':
			i++
		case c == quote:
			a.end, r.at = i, i+1
			r.blanks()
			if !r.ends() {
				return a, errAfterQuote
			}
			r.next()
			return a, nil
		}
	}
	return a, errOpenQuote
}

// blanks skips spaces and tabs, and says whether there were any.
func (r *envReader) blanks() bool {
	from := r.at
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\t') {
		r.at++
	}
	return r.at > from
}

// word reads a name; those of other variables may also hold dots and dashes.
func (r *envReader) word() string {
	from := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		if !isLetter(c) && (r.at == from || !isDigit(c) && c != '.' && c != '-') {
			break
		}
		r.at++
	}
	return string(r.text[from:r.at])
}

// ends says that nothing but a comment is left of the line.
func (r *envReader) ends() bool {
	rest := r.text[r.at:]
	return len(rest) == 0 || rest[0] == '#' || rest[0] == '\n' || bytes.HasPrefix(rest, []byte("\r\n"))
}

// next goes behind the end of the line.
func (r *envReader) next() {
	r.at = min(r.at+lineLength(r.text[r.at:])+1, len(r.text))
}

func lineLength(text []byte) int {
	if at := bytes.IndexByte(text, '\n'); at >= 0 {
		return at
	}
	return len(text)
}

// beforeComment cuts a line at a # that has a blank before it.
func beforeComment(line []byte) []byte {
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}
