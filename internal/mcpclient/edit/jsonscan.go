package edit

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// maxDepth bounds how deep a file may nest.
const maxDepth = 1000

// focus says which values a scanner keeps the items of. Everything else is read and checked only, which costs no memory.
type focus struct {
	path []string
	name string // the entry to be kept in full
	all  bool   // keep all entries in full
}

// Levels below the path.
const (
	skip = -1 // keep nothing
	full = -2 // keep all
)

// A scanner reads JSON, or where lax JSON with comments and trailing commas. hujson would do, but for three things: it
// recurses without a bound, which ends the program on a file of brackets; it quotes the file in its errors; and it takes some
// twenty times a file's size in memory.
type scanner struct {
	data    []byte
	pos     int
	lax     bool
	want    focus
	comment bool // set when one was read
}

func scanJSON(data []byte, lax bool, want focus) (node, error) {
	s := scanner{data: data, lax: lax, want: want}
	if err := s.space(); err != nil {
		return node{}, err
	}
	if s.pos == len(data) {
		return node{kind: 0, start: s.pos, end: s.pos}, nil
	}
	n, err := s.value(0, 0)
	if err != nil {
		return node{}, err
	}
	if err := s.space(); err != nil {
		return node{}, err
	}
	if s.pos < len(data) {
		return node{}, s.fail("text after the end of the document")
	}
	return n, nil
}

func (s *scanner) fail(reason string) *Error { return errAt(ErrSyntax, s.data, s.pos, "%s", reason) }

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// space skips white space and comments.
func (s *scanner) space() error {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		case '/':
			if err := s.skipComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (s *scanner) skipComment() error {
	rest := s.data[s.pos:]
	line := bytes.HasPrefix(rest, []byte("//"))
	if !line && !bytes.HasPrefix(rest, []byte("/*")) {
		return s.fail("a value or a comment is malformed")
	}
	if !s.lax {
		return s.fail("a comment, which this client does not read")
	}
	s.comment = true
	if !line {
		i := bytes.Index(rest[2:], []byte("*/"))
		if i < 0 {
			return s.fail("the comment has no end")
		}
		s.pos += 2 + i + 2
		return nil
	}
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		end = len(rest)
	}
	// Readers disagree whether these end the comment.
	text := strings.TrimSuffix(string(rest[:end]), "\r")
	if i := strings.IndexAny(text, "\r\u2028\u2029"); i >= 0 {
		s.pos += i
		return s.fail("a line break in a comment that readers take differently")
	}
	s.pos += end
	return nil
}

func (s *scanner) value(level, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errAt(ErrTooLarge, s.data, s.pos, "nested more than %d deep", maxDepth)
	}
	start := s.pos
	n := node{start: start}
	var err error
	switch c := s.peek(); {
	case s.pos == len(s.data):
		return n, s.fail("the file ends in the middle")
	case c == '{' || c == '[':
		return s.list(c, level, depth)
	case c == '"':
		n.kind = '"'
		err = s.str()
	case c == '-' || c >= '0' && c <= '9':
		n.kind = '0'
		err = s.number()
	default:
		n.kind, err = s.word()
	}
	n.end = s.pos
	return n, err
}

func (s *scanner) word() (byte, error) {
	for _, w := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
			s.pos += len(w)
			if w == "null" {
				return 'n', nil
			}
			return 't', nil
		}
	}
	return 0, s.fail("expected a value")
}

func (s *scanner) str() error {
	for i := s.pos + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return nil
		case c < ' ':
			s.pos = i
			return s.fail("control character or line break in a string")
		case c == '\\':
			i++
			if i < len(s.data) && s.data[i] == 'u' {
				if i+4 >= len(s.data) || !isHex(s.data[i+1:i+5]) {
					s.pos = i
					return s.fail("malformed escape in a string")
				}
				i += 4
			} else if i >= len(s.data) || strings.IndexByte(`"\/bfnrt`, s.data[i]) < 0 {
				s.pos = min(i, len(s.data))
				return s.fail("malformed escape in a string")
			}
		}
	}
	return s.fail("the string has no end")
}

func isHex(b []byte) bool {
	for _, c := range b {
		if strings.IndexByte("0123456789abcdefABCDEF", c) < 0 {
			return false
		}
	}
	return true
}

func (s *scanner) number() error {
	start := s.pos
	for s.pos < len(s.data) && strings.IndexByte("+-.0123456789eE", s.data[s.pos]) >= 0 {
		s.pos++
	}
	if !json.Valid(s.data[start:s.pos]) {
		s.pos = start
		return s.fail("malformed number")
	}
	return nil
}

func unquoteJSON(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1])
	}
	var v string
	if json.Unmarshal(b, &v) != nil {
		return "" // not reached: the scanner has read it
	}
	return v
}

// scalarJSON decodes what is no list.
func scalarJSON(kind byte, text []byte) any {
	switch kind {
	case '"':
		return unquoteJSON(text)
	case 't':
		return text[0] == 't'
	case '0':
		return number(string(text))
	default:
		return nil
	}
}

// number decodes a number; one beyond what a float holds stays text.
func number(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return f
}
