package edit

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (d *yamlDoc) put(entry Object) ([]byte, Trace, bool, error) {
	fl := yamlFlow()
	switch {
	case d.root == nil:
		out, trace := d.whole(wrap(d.Place, 0, d.name, entry))
		return out, trace, true, nil
	case d.hosted():
		list, err := fl.update(d.data, d.hostItem(), entry, "")
		return apply(d.data, list), Trace{}, false, err
	case d.there():
		list, err := d.update(d.tip, d.at[len(d.at)-1], entry)
		return apply(d.data, list), Trace{}, false, err
	case d.tip != nil && !d.opens():
		if !d.flows {
			return nil, Trace{}, false, d.errIntricate(d.tip)
		}
		list, trace := fl.append(d.data, d.trail, d.rest, entry, "  ")
		return apply(d.data, list), trace, true, nil
	}
	one, trace, err := d.add(entry)
	return apply(d.data, []splice{one}), trace, true, err
}

// opens says that the empty value where the servers should be can be opened up as a block: nothing but it follows its key.
func (d *yamlDoc) opens() bool {
	if len(d.tip.Content) > 0 || d.tip.Anchor != "" || d.tip.Style&yaml.TaggedStyle != 0 || len(d.chain) == 0 {
		return false
	}
	if empty(d.tip) {
		return true
	}
	end, err := d.end(d.tip)
	key := d.chain[len(d.chain)-1].Content[d.at[len(d.at)-1]]
	return err == nil && key.Line == d.tip.Line && blank(d.data[end:lineEnd(d.data, end)]) &&
		bytes.IndexByte(d.data[d.offset(d.tip):end], '\n') < 0
}

// add writes the entry, with the containers that are missing, behind what stands last in the innermost block.
func (d *yamlDoc) add(entry Object) (splice, Trace, error) {
	level := len(d.chain) - 1
	n := d.chain[level]
	trace := Trace{Created: len(d.Path) - level}
	nl := newline(d.data)
	if d.tip != nil { // opens: it becomes the innermost block
		key := n.Content[d.at[level]]
		colon, err := d.colon(key)
		if err != nil {
			return splice{}, trace, err
		}
		indent := strings.Repeat(" ", key.Column-1) + d.unit()
		trace.Created--
		trace.Before = nl + indent
		from, to := colon+1, lineEnd(d.data, colon)
		if empty(d.tip) {
			from = to // behind a comment
		} else {
			trace.Was = string(d.data[from:to])
		}
		text := d.block(wrap(d.Place, level+1, d.name, entry), indent, nl)
		if level+1 == len(d.Path) && d.Key != "" {
			text = d.items([]any{entry}, indent, nl)
		}
		return splice{from, to, trace.Before + text}, trace, nil
	}
	end, err := d.end(n)
	if err != nil {
		return splice{}, trace, err
	}
	if d.openBlock(n) {
		return splice{}, trace, errAt(ErrShape, d.data, end, "the file's last value needs a line end behind it")
	}
	end = lineEnd(d.data, end)
	indent := strings.Repeat(" ", d.column(n))
	text := d.block(wrap(d.Place, level, d.name, entry), indent, nl)
	if level == len(d.Path) && d.Key != "" {
		text = d.items([]any{entry}, indent, nl)
	}
	trace.Before = nl + indent
	return splice{end, end, trace.Before + text}, trace, nil
}

// openBlock says that the text ends in a block scalar without a line end, which would become part of it.
func (d *yamlDoc) openBlock(n *yaml.Node) bool {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return false
	}
	off := d.body(n)
	end, err := d.end(n)
	return err == nil && end == len(d.data) && bytes.IndexByte(d.data[off:lineEnd(d.data, off)], '-') < 0
}

// whole makes a document where there is none.
func (d *yamlDoc) whole(o Object) ([]byte, Trace) {
	nl := newline(d.data)
	trace := Trace{Whole: true, Created: len(d.Path), After: nl}
	text := d.block(o, "", nl)
	if blank(d.data) && len(d.data) <= maxWas {
		trace.Was = string(d.data)
		return []byte(text + nl), trace
	}
	head := d.data
	if i := bytes.Index(head, []byte("\n...")); i >= 0 { // the end of the document
		head = head[:i+1]
	}
	off := len(bytes.TrimRight(head, " \t\r\n"))
	if off > 0 {
		off = lineEnd(head, off)
	}
	trace.Before = nl
	if bytes.IndexByte(d.data[off:], '\n') >= 0 {
		trace.After = ""
	}
	return apply(d.data, []splice{{off, off, trace.Before + text + trace.After}}), trace
}

// unit is one step of the file's indentation.
func (d *yamlDoc) unit() string {
	if d.root != nil && d.root.Kind == yaml.MappingNode {
		for i := 1; i < len(d.root.Content); i += 2 {
			n := d.root.Content[i]
			if step := d.column(n) - d.column(d.root); n.Kind == yaml.MappingNode && !isFlow(n) && step > 0 && step <= 8 {
				return strings.Repeat(" ", step)
			}
		}
	}
	return "  "
}

// listUnit is how far the file indents lists below their key.
func (d *yamlDoc) listUnit() string {
	if d.root != nil && d.root.Kind == yaml.MappingNode {
		for i := 1; i < len(d.root.Content); i += 2 {
			n := d.root.Content[i]
			if step := d.column(n) - d.column(d.root); n.Kind == yaml.SequenceNode && !isFlow(n) && step >= 0 && step <= 8 {
				return strings.Repeat(" ", step)
			}
		}
	}
	return "  "
}

// block writes a mapping; its first line is not indented.
func (d *yamlDoc) block(o Object, indent, nl string) string {
	lines := make([]string, len(o))
	for i, f := range o {
		lines[i] = d.member(f, indent, nl)
	}
	return strings.Join(lines, nl+indent)
}

func (d *yamlDoc) member(f Field, indent, nl string) string {
	key := quoteYAML(f.Name) + ":"
	switch v := f.Value.(type) {
	case Object:
		if len(v) > 0 {
			deeper := indent + d.unit()
			return key + nl + deeper + d.block(v, deeper, nl)
		}
	case []any:
		if slices.ContainsFunc(v, func(e any) bool { _, ok := e.(Object); return ok }) {
			deeper := indent + d.listUnit()
			return key + nl + deeper + d.items(v, deeper, nl)
		}
	}
	return key + " " + yamlFlow().text(f.Value, style{sep: ": ", comma: " "})
}

func (d *yamlDoc) items(list []any, indent, nl string) string {
	lines := make([]string, len(list))
	for i, e := range list {
		o, ok := e.(Object)
		if ok && len(o) > 0 {
			lines[i] = "- " + d.block(o, indent+"  ", nl)
		} else {
			lines[i] = "- " + yamlFlow().text(e, style{sep: ": ", comma: " "})
		}
	}
	return strings.Join(lines, nl+indent)
}

// colon is the offset of the colon behind a key.
func (d *yamlDoc) colon(key *yaml.Node) (int, error) {
	end, err := d.end(key)
	if err != nil {
		return 0, err
	}
	end += spaces(d.data[end:])
	if end >= len(d.data) || d.data[end] != ':' {
		return 0, d.errIntricate(key)
	}
	return end, nil
}
