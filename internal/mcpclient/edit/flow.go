package edit

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// maxWas bounds the white space that a Trace remembers.
const maxWas = 128

// A flow is how values in brackets are written: JSON, inline tables and arrays of TOML, flow mappings and sequences of YAML.
type flow struct {
	hash   bool                             // comments begin with '#', not with "//" or "/*"
	flat   bool                             // what is written goes on one line
	spaced bool                             // the blank behind a colon is needed
	sep    string                           // between name and value
	name   func(string) string              // quotes a name
	quote  func(string) string              // quotes a value
	scalar func(kind byte, text []byte) any // decodes a value that is no list
}

// style is how a list in brackets is laid out.
type style struct {
	nl, outer, indent, unit string // line ending; the indentation of the closing bracket, of an item, and one step
	inline                  bool   // all on one line
	inlineItems             bool   // items are on their own lines, and each on one
	sep, comma, pad         string // between name and value, behind an inline comma, within inline brackets
}

func (st style) deeper() style {
	st.outer, st.indent = st.indent, st.indent+st.unit
	return st
}

func (st style) oneLine() style {
	st.inline = true
	return st
}

// text writes a value as an item's.
func (f flow) text(v any, st style) string {
	st.inline = st.inline || f.flat
	switch v := v.(type) {
	case string:
		return f.quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case Object:
		return f.brackets("{", "}", f.members(v, st.deeper()), st)
	case []any:
		if !slices.ContainsFunc(v, func(e any) bool { _, ok := e.(Object); return ok }) {
			st = st.oneLine()
		}
		items := make([]string, len(v))
		for i, e := range v {
			items[i] = f.text(e, st.deeper())
		}
		return f.brackets("[", "]", items, st)
	default:
		return "null" // not reached: checkValue has looked
	}
}

func (f flow) members(o Object, st style) []string {
	items := make([]string, len(o))
	for i, m := range o {
		items[i] = f.name(m.Name) + st.sep + f.text(m.Value, st)
	}
	return items
}

// brackets puts items that were written one step deeper than st into brackets that stand at st.indent.
func (f flow) brackets(open, shut string, items []string, st style) string {
	switch {
	case len(items) == 0:
		return open + shut
	case st.inline:
		pad := st.pad
		if open == "[" {
			pad = ""
		}
		return open + pad + strings.Join(items, ","+st.comma) + pad + shut
	default:
		line := st.nl + st.indent + st.unit
		return open + line + strings.Join(items, ","+line) + st.nl + st.indent + shut
	}
}

// style works out how n is laid out. parent is the item that n is the value of, if any; unit is the file's indentation.
func (f flow) style(data []byte, n node, parent *item, unit string) style {
	st := style{nl: newline(data), outer: indentAt(data, n.start), unit: unit, sep: f.sep, comma: " "}
	st.indent = st.outer + unit
	if f.flat {
		st.pad = " "
	}
	if len(n.items) == 0 {
		st.inline = f.flat || parent != nil && !startsLine(data, parent.start)
		if parent != nil {
			st.sample(f, *parent)
		}
		return st
	}
	last := n.items[len(n.items)-1]
	st.sample(f, last)
	st.inline = !ownLine(data, n, len(n.items)-1)
	if st.inline {
		if len(n.items) > 1 && n.items[0].comma+1 < n.items[1].start {
			st.comma = " "
		}
		if n.kind == '{' {
			st.pad = padOf(data, n)
		}
	} else {
		st.indent = indentAt(data, last.start)
		if step := strings.TrimPrefix(st.indent, st.outer); step != "" && (step != st.indent || st.outer == "") {
			st.unit = step
		}
	}
	if v := last.value; v.kind == '{' && oneLine(data, v) {
		st.inlineItems = true
		st.pad = padOf(data, v)
	}
	return st
}

// ownLine says that a line begins between an item and what is before it.
func ownLine(data []byte, n node, i int) bool {
	prev := n.start + 1
	if i > 0 {
		prev = n.items[i-1].comma + 1
	}
	return bytes.IndexByte(data[prev:n.items[i].start], '\n') >= 0
}

// padOf is what parts the brackets of n from its items.
func padOf(data []byte, n node) string {
	if data[n.start+1] == ' ' {
		return " "
	}
	return ""
}

// oneLine says that a value in brackets is on one line, and not empty.
func oneLine(data []byte, v node) bool {
	return !bytes.ContainsRune(data[v.start:v.end], '\n') && !blank(data[v.start+1:v.end-1])
}

// sample takes over whether a blank follows the colon.
func (st *style) sample(f flow, it item) {
	if !f.spaced && it.colon >= 0 && it.value.start == it.colon+1 {
		st.sep = strings.TrimSpace(st.sep)
		st.comma = ""
	}
}

// comment is the length of the comment at the start of b, without its line end, and whether it runs to the line's end.
func (f flow) comment(b []byte) (n int, line bool) {
	switch {
	case f.hash && b[0] == '#', !f.hash && bytes.HasPrefix(b, []byte("//")):
		if n = bytes.IndexByte(b, '\n'); n < 0 {
			n = len(b)
		}
		return len(bytes.TrimSuffix(b[:n], []byte("\r"))), true
	case !f.hash && bytes.HasPrefix(b, []byte("/*")):
		return 4 + bytes.Index(b[2:], []byte("*/")), false
	}
	return 0, false
}

// restOfLine skips blanks and comments from off to the end of the line; line says that the last was a line comment.
func (f flow) restOfLine(data []byte, off int) (end int, line bool) {
	end = off
	for i := off; i < len(data); {
		if data[i] == ' ' || data[i] == '\t' {
			i++
			continue
		}
		n, toEnd := f.comment(data[i:])
		if n == 0 || bytes.ContainsRune(data[i:i+n], '\n') {
			return end, false
		}
		i += n
		end = i
		if toEnd {
			return end, true
		}
	}
	return end, false
}

// add appends items to n. The trace is right where one was added.
func (f flow) add(data []byte, n node, st style, items []string) ([]splice, Trace) {
	if len(n.items) == 0 {
		return f.fill(data, n, st, items)
	}
	last := n.items[len(n.items)-1]
	var list []splice
	after := last.comma + 1
	if last.comma < 0 {
		after = last.value.end
		list = append(list, splice{after, after, ","})
	}
	off, line := f.restOfLine(data, after)
	before := st.comma
	if !st.inline || line {
		before = st.nl + st.indent
	}
	text := before + strings.Join(items, ","+before)
	if last.comma >= 0 {
		text += ","
	}
	return append(list, splice{off, off, text}), Trace{Before: before}
}

// fill puts items into empty brackets.
func (f flow) fill(data []byte, n node, st style, items []string) ([]splice, Trace) {
	before, after, between := st.nl+st.indent, st.nl+st.outer, ","+st.nl+st.indent
	if st.inline {
		before, after, between = st.pad, st.pad, ","+st.comma
		if n.kind == '[' {
			before, after = "", ""
		}
	}
	text := strings.Join(items, between)
	inner := data[n.start+1 : n.end-1]
	if !n.comments && len(inner) <= maxWas {
		return []splice{{n.start + 1, n.end - 1, before + text + after}}, Trace{Before: before, After: after, Was: string(inner)}
	}
	// Behind the last comment; what white space there is before the bracket stays.
	rest := len(inner) - len(bytes.TrimRight(inner, " \t\r\n"))
	off := n.end - 1 - rest
	if !n.comments {
		off = n.start + 1
	}
	if !bytes.ContainsRune(data[off:n.end-1], '\n') {
		before = " "
	} else {
		before = st.nl + st.indent
	}
	return []splice{{off, off, before + text}}, Trace{Before: before}
}

// set replaces the value of an item.
func (f flow) set(it item, v any, st style) splice {
	return splice{it.value.start, it.value.end, f.text(v, st)}
}
