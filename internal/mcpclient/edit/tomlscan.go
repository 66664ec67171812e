package edit

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A stmt is a table header or a key with its value in a TOML text.
type stmt struct {
	kind       unstable.Kind // Table, ArrayTable or KeyValue
	start, end int           // from the bracket or the key to the bracket or the value's end
	path       []string      // from the top of the document
	key        int           // how many elements of path stand in the statement itself
	value      int           // of a KeyValue: the offset of the value
	colon      int           // of a KeyValue: the offset of '='
	head       int           // the index of the header above; -1: none
}

// scanTOML reads the statements of a text and checks that none defines what another has defined. comments are the offsets of
// those that have their own line.
func scanTOML(data []byte) (list []stmt, comments []int, err error) {
	p := unstable.Parser{KeepComments: true}
	p.Reset(data)
	defs := newDefs(data)
	names := map[string]string{} // so that each is kept once
	var key, paths []string      // paths backs those of all statements
	head := -1
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.Comment {
			comments = append(comments, int(e.Raw.Offset))
			continue
		}
		s := stmt{kind: e.Kind, head: head}
		key = key[:0]
		first, last := -1, 0
		it := e.Key()
		for it.Next() {
			k := it.Node()
			if first < 0 {
				first = int(k.Raw.Offset)
			}
			last = int(k.Raw.Offset + k.Raw.Length)
			name, ok := names[string(k.Data)]
			if !ok {
				name = string(k.Data)
				names[name] = name
			}
			key = append(key, name)
		}
		s.key = len(key)
		if e.Kind == unstable.KeyValue {
			s.start, s.end = int(e.Raw.Offset), int(e.Raw.Offset+e.Raw.Length)
			s.colon = last + bytes.IndexByte(data[last:], '=')
			s.value = s.colon + 1 + spaces(data[s.colon+1:])
			if head >= 0 {
				s.path = list[head].path
			}
		} else {
			s.start = bytes.LastIndexByte(data[:first], '[')
			s.end = last + bytes.IndexByte(data[last:], ']') + 1
			if e.Kind == unstable.ArrayTable {
				s.start--
				s.end++
			}
			s.head, head = -1, len(list)
		}
		from := len(paths)
		paths = append(append(paths, s.path...), key...)
		s.path = paths[from:len(paths):len(paths)]
		if err := defs.add(s, e); err != nil {
			return nil, nil, err
		}
		list = append(list, s)
	}
	if err := p.Error(); err != nil {
		return nil, nil, syntaxTOML(data, err)
	}
	return list, comments, nil
}

func spaces(b []byte) int { return len(b) - len(bytes.TrimLeft(b, " \t")) }

// syntaxTOML says where the text is broken. The parser's own words may quote it.
func syntaxTOML(data []byte, err error) error {
	var pe *unstable.ParserError
	if !errors.As(err, &pe) {
		return &Error{Kind: ErrSyntax, Reason: "not valid TOML"}
	}
	if strings.Contains(pe.Message, "nested more than") {
		return errAt(ErrTooLarge, data, cap(data)-cap(pe.Highlight), "nested too deep")
	}
	return errAt(ErrSyntax, data, cap(data)-cap(pe.Highlight), "not valid TOML")
}

// scanValue finds the parts of a TOML value, which the parser has read already.
func scanValue(data []byte, off int) node {
	n := node{kind: '?', start: off}
	switch c := data[off]; c {
	case '{', '[':
		return scanItems(data, off)
	case '"', '\'':
		n.kind = '"'
		n.end = skipQuoted(data, off)
		return n
	case 't', 'f':
		n.kind = 't'
	}
	end := off
	for end < len(data) && !bytes.ContainsRune([]byte(",]}#\r\n"), rune(data[end])) {
		end++
	}
	n.end = off + len(bytes.TrimRight(data[off:end], " \t"))
	if _, ok := numberTOML(string(data[off:n.end])); ok {
		n.kind = '0'
	}
	return n
}

// skipQuoted is the end of a string of any kind.
func skipQuoted(data []byte, off int) int {
	quote := data[off : off+1]
	if long := bytes.Repeat(quote, 3); bytes.HasPrefix(data[off:], long) {
		i := off + 3
		for !bytes.HasPrefix(data[i:], long) {
			if quote[0] == '"' && data[i] == '\\' {
				i++
			}
			i++
		}
		for i += 3; i < len(data) && data[i] == quote[0]; { // a quote may stand right before the closing ones
			i++
		}
		return i
	}
	for i := off + 1; ; i++ {
		switch {
		case data[i] == quote[0]:
			return i + 1
		case quote[0] == '"' && data[i] == '\\':
			i++
		}
	}
}

// scanItems reads an inline table or an array.
func scanItems(data []byte, off int) node {
	n := node{kind: data[off], start: off}
	i := off + 1
	for {
		i = n.skipSpace(data, i)
		if data[i] == n.kind+2 {
			n.end = i + 1
			return n
		}
		it := item{start: i, colon: -1, comma: -1}
		if n.kind == '{' {
			var parts []string
			parts, i = scanKey(data, i)
			it.name = strings.Join(parts, "\x00")
			it.colon = i
			i += 1 + spaces(data[i+1:])
		}
		it.value = scanValue(data, i)
		i = n.skipSpace(data, it.value.end)
		if data[i] == ',' {
			it.comma = i
			i++
		}
		n.items = append(n.items, it)
	}
}

func (n *node) skipSpace(data []byte, i int) int {
	for {
		switch data[i] {
		case ' ', '\t', '\r', '\n':
			i++
		case '#':
			n.comments = true
			i += bytes.IndexByte(data[i:], '\n')
		default:
			return i
		}
	}
}

// scanKey reads a key, dotted or not, up to the equals sign.
func scanKey(data []byte, i int) (parts []string, end int) {
	for {
		start := i
		if data[i] == '"' || data[i] == '\'' {
			i = skipQuoted(data, i)
			part, _ := scalarTOML('"', data[start:i]).(string)
			parts = append(parts, part)
		} else {
			for data[i] != '.' && data[i] != '=' && data[i] != ' ' && data[i] != '\t' {
				i++
			}
			parts = append(parts, string(data[start:i]))
		}
		i += spaces(data[i:])
		if data[i] != '.' {
			return parts, i
		}
		i += 1 + spaces(data[i+1:])
	}
}

// scalarTOML decodes what is no list.
func scalarTOML(kind byte, text []byte) any {
	switch kind {
	case '"':
		p := unstable.Parser{}
		p.Reset(append([]byte("k = "), text...))
		if !p.NextExpression() {
			return nil // not reached: it was read before
		}
		return string(p.Expression().Value().Data)
	case 't':
		return text[0] == 't'
	default:
		n, ok := numberTOML(string(text))
		if !ok {
			return string(text) // a date or time
		}
		return n
	}
}

func numberTOML(text string) (any, bool) {
	if i, err := strconv.ParseInt(text, 0, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	return f, err == nil
}
