package edit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// update sets the fields of a mapping that is there: the value of the i-th node of the innermost block, or that element.
func (d *yamlDoc) update(n *yaml.Node, i int, entry Object) ([]splice, error) {
	parent := d.chain[len(d.chain)-1]
	if parent.Kind == yaml.MappingNode {
		return d.merge(parent.Content[i], n, entry)
	}
	return d.merge(nil, n, entry)
}

// merge sets the fields of n, which is the value of key, or an element of a list where key is nil.
func (d *yamlDoc) merge(key, n *yaml.Node, o Object) ([]splice, error) {
	switch {
	case isFlow(n):
		f, err := d.flow(n)
		if err != nil {
			return nil, err
		}
		return yamlFlow().update(d.data, item{value: f}, o, "")
	case empty(n) && key != nil:
		return d.open(key, o)
	case n.Kind != yaml.MappingNode:
		return nil, errAt(ErrShape, d.data, d.offset(n), "not a mapping of its own")
	}
	var list []splice
	var missing Object
	for _, f := range o {
		i, err := d.find(n, f.Name)
		if err != nil {
			return nil, err
		}
		if i < 0 {
			missing = append(missing, f)
			continue
		}
		more, err := d.set(n.Content[i], n.Content[i+1], f.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	if len(missing) > 0 {
		end, err := d.end(n)
		if err != nil {
			return nil, err
		}
		nl, indent := newline(d.data), strings.Repeat(" ", d.column(n))
		end = lineEnd(d.data, end)
		list = append(list, splice{end, end, nl + indent + d.block(missing, indent, nl)})
	}
	return list, nil
}

// open gives a key without a value fields.
func (d *yamlDoc) open(key *yaml.Node, o Object) ([]splice, error) {
	colon, err := d.colon(key)
	if err != nil || len(o) == 0 {
		return nil, err
	}
	end := lineEnd(d.data, colon)
	nl, indent := newline(d.data), strings.Repeat(" ", key.Column-1)+d.unit()
	return []splice{{end, end, nl + indent + d.block(o, indent, nl)}}, nil
}

// set replaces the value of a key where it differs.
func (d *yamlDoc) set(key, n *yaml.Node, v any) ([]splice, error) {
	if o, ok := v.(Object); ok && (n.Kind == yaml.MappingNode || empty(n)) {
		return d.merge(key, n, o)
	}
	if equal(decodeYAML(n), v) {
		return nil, nil
	}
	colon, err := d.colon(key)
	if err != nil {
		return nil, err
	}
	text := yamlFlow().text(v, style{sep: ": ", comma: " "})
	if empty(n) {
		return []splice{{colon + 1, colon + 1, " " + text}}, nil
	}
	end, err := d.end(n)
	if err != nil {
		return nil, err
	}
	if start := d.offset(n); n.Line == key.Line {
		return []splice{{start, end, text}}, nil
	}
	return []splice{{colon + 1, end, " " + text}}, nil
}

// span is what a key with its value, or an element, takes up: from the key or the dash to the end of its last line.
func (d *yamlDoc) span(n *yaml.Node, i int) (start, end int, err error) {
	start = d.offset(n.Content[i])
	last := n.Content[i]
	if n.Kind == yaml.MappingNode {
		last = n.Content[i+1]
	} else {
		column := d.column(n)
		// The dash stands in the list's own column, on the element's line or above it.
		for start = d.offset(last); ; {
			line := lineStart(d.data, start)
			if dash := line + column; dash < len(d.data) && dash <= start && d.data[dash] == '-' && blank(d.data[line:dash]) {
				start = dash
				break
			}
			if line == 0 || i > 0 && line <= d.offset(n.Content[i-1]) {
				return 0, 0, d.errIntricate(last)
			}
			start = line - 1
		}
	}
	if !startsLine(d.data, start) {
		return 0, 0, d.errIntricate(n.Content[i])
	}
	if end, err = d.end(last); err != nil {
		return 0, 0, err
	}
	return start, lineEnd(d.data, end), nil
}

func (d *yamlDoc) remove(trace Trace) ([]byte, bool, error) {
	switch {
	case d.hosted():
		list := yamlFlow().withdraw(d.data, d.trail, len(d.rest.Path), trace)
		return apply(d.data, list), true, nil
	case !d.there():
		return nil, false, nil
	}
	level, created := len(d.Path), trace.Created
	for created > 0 && level > 0 && d.alone(level) {
		level--
		created--
	}
	n := d.chain[level]
	start, end, err := d.span(n, d.at[level])
	if err != nil {
		return nil, false, err
	}
	if created == 0 && d.holds(trace, level, start, end) {
		return apply(d.data, []splice{{start - len(trace.Before), end + len(trace.After), trace.Was}}), true, nil
	}
	list, err := d.cut(n, d.at[level])
	return apply(d.data, list), true, err
}

// holds says that what surrounds the lines is still as the trace has it.
func (d *yamlDoc) holds(trace Trace, level, start, end int) bool {
	n := d.chain[level]
	alone := len(n.Content) == 1 || n.Kind == yaml.MappingNode && len(n.Content) == 2
	switch {
	case trace == (Trace{}), trace.Whole && level > 0, (trace.Whole || trace.Was != "") && !alone:
		return false
	default:
		return bytes.HasSuffix(d.data[:start], []byte(trace.Before)) && bytes.HasPrefix(d.data[end:], []byte(trace.After))
	}
}

// cut removes the lines of a key with its value, or of an element.
func (d *yamlDoc) cut(n *yaml.Node, i int) ([]splice, error) {
	start, end, err := d.span(n, i)
	if err != nil {
		return nil, err
	}
	floor := 0
	if i > 0 { // a blank line may belong to the value above
		if floor, err = d.end(n.Content[i-1]); err != nil {
			return nil, err
		}
		floor += bytes.IndexByte(d.data[floor:], '\n') + 1
	}
	return cutLines(d.data, [][2]int{{lineStart(d.data, start), end}}, floor), nil
}

// alone says that the block at a level has only what leads to the entry in it, and no comment.
func (d *yamlDoc) alone(level int) bool {
	n, parent := d.chain[level], d.chain[level-1]
	if len(n.Content) > 2 || n.Kind == yaml.SequenceNode && len(n.Content) > 1 {
		return false
	}
	start, _, err := d.span(n, d.at[level])
	return err == nil && bytes.IndexByte(d.data[d.offset(parent.Content[d.at[level-1]]):start], '#') < 0
}

func (d *yamlDoc) drop(path []string) ([]byte, error) {
	if d.hosted() {
		list, err := yamlFlow().prune(d.data, d.hostItem().value, path)
		return apply(d.data, list), err
	}
	list, err := d.prune(d.tip, path)
	return apply(d.data, list), err
}

// prune removes the value at path below n, and the mappings on the way that this empties.
func (d *yamlDoc) prune(n *yaml.Node, path []string) ([]splice, error) {
	if isFlow(n) {
		f, err := d.flow(n)
		if err != nil {
			return nil, err
		}
		return yamlFlow().prune(d.data, f, path)
	}
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	i, err := d.find(n, path[0])
	if err != nil || i < 0 {
		return nil, err
	}
	if len(path) > 1 {
		sub := n.Content[i+1]
		list, err := d.prune(sub, path[1:])
		if err != nil || len(list) == 0 || !d.emptied(n.Content[i], sub, list) {
			return list, err
		}
	}
	return d.cut(n, i)
}

// emptied says that the splices take all there is in the value of a key, which has no comment.
func (d *yamlDoc) emptied(key, sub *yaml.Node, list []splice) bool {
	if sub.Kind != yaml.MappingNode || len(sub.Content) != 2 {
		return false
	}
	if isFlow(sub) {
		f, err := d.flow(sub)
		return err == nil && !f.comments && gone(f, list)
	}
	first := sub.Content[0]
	return len(list) == 1 && list[0].start <= d.offset(first) && list[0].text == "" &&
		bytes.IndexByte(d.data[d.offset(key):d.offset(first)], '#') < 0
}
