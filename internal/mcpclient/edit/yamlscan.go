package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A yamlText finds the places of nodes in a text. The library tells where a node begins, not where it ends.
type yamlText struct {
	data  []byte
	lines []int // where each line begins, as the library counts them
}

// scanYAML reads a text of one document. The root is nil where there is none.
func scanYAML(data []byte) (root *yaml.Node, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxYAML(err)
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntaxYAML(err)
	default:
		return nil, &Error{Kind: ErrShape, Reason: "more than one document in the file", Line: second.Line}
	}
	return doc.Content[0], nil
}

// syntaxYAML says where the text is broken. The library's own words may quote it.
func syntaxYAML(err error) error {
	line := 0
	if i := strings.Index(err.Error(), "line "); i >= 0 {
		_, _ = fmt.Sscanf(err.Error()[i:], "line %d", &line) // 0 where it says none
	}
	if strings.Contains(err.Error(), "did not find expected") {
		line++ // these it counts from 0
	}
	return &Error{Kind: ErrSyntax, Reason: "not valid YAML", Line: line}
}

func newYAMLText(data []byte) yamlText {
	t := yamlText{data: data, lines: []int{0}}
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\r' && i+1 < len(data) && data[i+1] == '\n':
			continue
		case c == '\n', c == '\r':
		case c == 0xc2 && data[i+1] == 0x85:
			i++
		case c == 0xe2 && data[i+1] == 0x80 && (data[i+2] == 0xa8 || data[i+2] == 0xa9):
			i += 2
		default:
			continue
		}
		t.lines = append(t.lines, i+1)
	}
	return t
}

// offset is where a node begins, with its anchor and tag.
func (t yamlText) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(t.lines) {
		return len(t.data)
	}
	i := t.lines[n.Line-1]
	for c := 1; c < n.Column && i < len(t.data); c++ {
		_, size := utf8.DecodeRune(t.data[i:])
		i += size
	}
	return i
}

// body is where a node begins, behind its anchor and tag.
func (t yamlText) body(n *yaml.Node) int {
	i := t.offset(n)
	if n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 {
		return i
	}
	for i < len(t.data) && (t.data[i] == '&' || t.data[i] == '!') {
		for i < len(t.data) && strings.IndexByte(" \t\r\n,]}", t.data[i]) < 0 {
			i++
		}
		if next := t.gap(i); n.Kind != yaml.ScalarNode || n.Value != "" || n.Style&^yaml.TaggedStyle != 0 {
			i = next
		} else if next < len(t.data) && (t.data[next] == '&' || t.data[next] == '!') {
			i = next
		}
	}
	return i
}

// column is that of a block's keys or dashes, from 0.
func (t yamlText) column(n *yaml.Node) int {
	off := t.body(n)
	return off - lineStart(t.data, off)
}

// gap skips white space and comments.
func (t yamlText) gap(i int) int {
	for i < len(t.data) {
		switch t.data[i] {
		case ' ', '\t', '\r', '\n':
			i++
		case '#':
			i = lineEnd(t.data, i)
		default:
			return i
		}
	}
	return i
}

// errIntricate is for what is valid YAML but written so that its parts are not found again.
func (t yamlText) errIntricate(n *yaml.Node) error {
	return errAt(ErrShape, t.data, t.offset(n), "written in a way that can't be edited safely")
}

// end is where a node ends. A block scalar that keeps its final line breaks has them.
func (t yamlText) end(n *yaml.Node) (int, error) {
	off := t.body(n)
	switch n.Kind {
	case yaml.AliasNode:
		return t.match(n, off, "*"+n.Value)
	case yaml.ScalarNode:
		return t.scalarEnd(n, off)
	case yaml.MappingNode, yaml.SequenceNode:
		if n.Style&yaml.FlowStyle != 0 {
			f, err := t.flow(n)
			return f.end, err
		}
		if len(n.Content) > 0 {
			return t.end(n.Content[len(n.Content)-1])
		}
	default:
	}
	return 0, t.errIntricate(n)
}

func (t yamlText) scalarEnd(n *yaml.Node, off int) (int, error) {
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		if off >= len(t.data) || t.data[off] != '"' && t.data[off] != '\'' {
			return 0, t.errIntricate(n)
		}
		for i := off + 1; i < len(t.data); i++ {
			switch {
			case t.data[i] == t.data[off] && t.data[off] == '\'' && i+1 < len(t.data) && t.data[i+1] == '\'':
				i++
			case t.data[i] == t.data[off]:
				return i + 1, nil
			case t.data[i] == '\\' && t.data[off] == '"':
				i++
			}
		}
		return 0, t.errIntricate(n)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return t.blockEnd(n, off)
	default:
		return t.match(n, off, n.Value)
	}
}

// blockEnd is where a literal or folded scalar ends.
func (t yamlText) blockEnd(n *yaml.Node, off int) (int, error) {
	header := lineEnd(t.data, off)
	if off >= len(t.data) || t.data[off] != '|' && t.data[off] != '>' {
		return 0, t.errIntricate(n)
	}
	text := strings.TrimRight(n.Value, " \t\n")
	// How many lines without a word follow that belong to the value.
	breaks := strings.Count(n.Value[len(text):], "\n")
	end := header
	if text != "" {
		var err error
		if end, err = t.match(n, header, text); err != nil {
			return 0, err
		}
		end = lineEnd(t.data, end)
		breaks--
	}
	if n.Value != "" && !strings.HasSuffix(n.Value, "\n") {
		breaks++
	}
	for ; breaks > 0 && end < len(t.data); breaks-- {
		next := end + bytes.IndexByte(t.data[end:], '\n') + 1
		if !blank(t.data[next:lineEnd(t.data, next)]) {
			break
		}
		end = lineEnd(t.data, next)
	}
	return end, nil
}

// match follows the characters of a plain or block scalar from off on, however its lines are folded, and gives the end of the
// last.
func (t yamlText) match(n *yaml.Node, off int, value string) (int, error) {
	end := off
	i := off
	for k := range len(value) {
		if strings.IndexByte(" \t\r\n", value[k]) >= 0 {
			continue
		}
		for i < len(t.data) && strings.IndexByte(" \t\r\n", t.data[i]) >= 0 {
			i++
		}
		if i >= len(t.data) || t.data[i] != value[k] {
			return 0, t.errIntricate(n)
		}
		i++
		end = i
	}
	return end, nil
}
