package edit

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// flow is a flow mapping or sequence with its parts.
func (t yamlText) flow(n *yaml.Node) (node, error) {
	f := node{kind: '{', start: t.body(n)}
	step := 2
	if n.Kind == yaml.SequenceNode {
		f.kind, step = '[', 1
	}
	if f.start >= len(t.data) || t.data[f.start] != f.kind {
		return f, t.errIntricate(n)
	}
	i := f.start + 1
	space := func() {
		from := i
		i = t.gap(i)
		f.comments = f.comments || bytes.IndexByte(t.data[from:i], '#') >= 0
	}
	for k := 0; k < len(n.Content); k += step {
		space()
		it := item{start: i, colon: -1, comma: -1}
		value := n.Content[k]
		if t.offset(value) != i {
			return f, t.errIntricate(n)
		}
		if step == 2 {
			end, err := t.end(value)
			if i = end; err != nil {
				return f, err
			}
			space()
			it.name, it.colon = value.Value, i
			i++
			space()
			value = n.Content[k+1]
		}
		var err error
		if it.value, err = t.flowValue(it, value, i); err != nil {
			return f, err
		}
		i = it.value.end
		space()
		if i < len(t.data) && t.data[i] == ',' {
			it.comma = i
			i++
		}
		f.items = append(f.items, it)
	}
	space()
	if i >= len(t.data) || t.data[i] != f.kind+2 {
		return f, t.errIntricate(n)
	}
	f.end = i + 1
	return f, nil
}

// flowValue is a value at i within a flow mapping or sequence.
func (t yamlText) flowValue(it item, n *yaml.Node, i int) (node, error) {
	if t.offset(n) != i || it.colon >= len(t.data) || it.colon >= 0 && t.data[it.colon] != ':' {
		return node{}, t.errIntricate(n)
	}
	if (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 {
		return t.flow(n)
	}
	end, err := t.end(n)
	known := decodeYAML(n)
	return node{kind: scalarKind(known), start: i, end: end, known: known}, err
}

// scalarKind is the kind of a node that decodes to v and is no list.
func scalarKind(v any) byte {
	switch v.(type) {
	case string:
		return '"'
	case bool:
		return 't'
	case int64, float64:
		return '0'
	case nil:
		return 'n'
	default:
		return '?'
	}
}
