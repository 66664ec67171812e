package edit

import (
	"bytes"
	"strings"
)

type jsonDoc struct {
	target
	data  []byte
	root  node // of kind 0: there is no document
	trail trail
}

// readJSON reads a text. Where lax, comments and trailing commas are allowed.
func readJSON(data []byte, lax bool, to target) (document, error) {
	root, err := scanJSON(data, lax, focus{path: to.Path, name: to.name, all: to.all})
	if err != nil {
		return nil, err
	}
	d := &jsonDoc{target: to, data: data, root: root}
	if root.kind != 0 {
		d.trail, err = jsonFlow().find(data, root, to)
	}
	return d, err
}

func jsonFlow() flow {
	return flow{sep: ": ", name: quoteJSON, quote: quoteJSON, scalar: scalarJSON}
}

func quoteJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			const hex = "0123456789abcdef"
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(hex[r>>shift&15])
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (d *jsonDoc) entries() ([]Entry, error) {
	if len(d.trail.nodes) <= len(d.Path) {
		return nil, nil
	}
	return jsonFlow().list(d.data, d.trail.end(), d.Key), nil
}

// there says that the trail reaches the entry.
func (d *jsonDoc) there() bool { return len(d.trail.at) > len(d.Path) }

func (d *jsonDoc) item() item { return d.trail.end().items[d.trail.at[len(d.Path)]] }

func (d *jsonDoc) entry() (any, bool, error) {
	if !d.there() {
		return nil, false, nil
	}
	return jsonFlow().decode(d.data, d.item().value), true, nil
}

func (d *jsonDoc) put(entry Object) ([]byte, Trace, bool, error) {
	fl := jsonFlow()
	if d.root.kind == 0 {
		out, trace := fl.whole(d.data, wrap(d.Place, 0, d.name, entry))
		trace.Created = len(d.Path)
		return out, trace, true, nil
	}
	unit := fl.unit(d.data, d.root)
	if d.there() {
		list, err := fl.update(d.data, d.item(), entry, unit)
		return apply(d.data, list), Trace{}, false, err
	}
	list, trace := fl.append(d.data, d.trail, d.target, entry, unit)
	return apply(d.data, list), trace, true, nil
}

// whole makes a document where there is none, only white space and comments.
func (f flow) whole(data []byte, o Object) ([]byte, Trace) {
	nl := newline(data)
	text := f.text(o, style{nl: nl, unit: "  ", sep: f.sep, comma: " "})
	if blank(data) && len(data) <= maxWas {
		trace := Trace{After: nl, Was: string(data), Whole: true}
		return []byte(text + trace.After), trace
	}
	trace := Trace{Before: nl, Whole: true}
	off := len(bytes.TrimRight(data, " \t\r\n"))
	if !bytes.ContainsRune(data[off:], '\n') {
		trace.After = nl
	}
	return apply(data, []splice{{off, off, trace.Before + text + trace.After}}), trace
}

func (d *jsonDoc) drop(path []string) ([]byte, error) {
	list, err := jsonFlow().prune(d.data, d.item().value, path)
	return apply(d.data, list), err
}

func (d *jsonDoc) remove(trace Trace) ([]byte, bool, error) {
	if !d.there() {
		return nil, false, nil
	}
	return apply(d.data, jsonFlow().withdraw(d.data, d.trail, len(d.Path), trace)), true, nil
}

func (d *jsonDoc) outside(sum *digest) { d.trail.outside(sum, d.data, 0) }
