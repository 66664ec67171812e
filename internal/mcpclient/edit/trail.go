package edit

import (
	"bytes"
	"slices"
	"strings"
)

// A trail is the way from the top of a document to the entries: the nodes on the path that are there, and in each the index of
// the next one. Of a trail that reaches the entry itself, at has an index for the entry too.
type trail struct {
	nodes []node
	at    []int
}

// end is the innermost node.
func (t trail) end() node { return t.nodes[len(t.nodes)-1] }

// parent is the item that the node at level is the value of.
func (t trail) parent(level int) *item {
	if level == 0 {
		return nil
	}
	return &t.nodes[level-1].items[t.at[level-1]]
}

// find follows the place, and the entry's name if it is there. The root must be a node of kind '{'.
func (f flow) find(data []byte, root node, to target) (trail, error) {
	t := trail{nodes: []node{root}}
	at := to.Place
	for level := 0; ; level++ {
		n := t.nodes[level]
		want := byte('{')
		if level == len(at.Path) && at.Key != "" {
			want = '['
		}
		if n.kind != want {
			return t, to.wrongKind(data, n, want, level)
		}
		next := to.name
		if level < len(at.Path) {
			next = at.Path[level]
		} else if to.all {
			return t, nil
		}
		i, err := f.pick(data, n, next, at.Key)
		if err != nil || i < 0 {
			return t, err
		}
		t.at = append(t.at, i)
		if level == len(at.Path) {
			return t, nil
		}
		t.nodes = append(t.nodes, n.items[i].value)
	}
}

func (to target) wrongKind(data []byte, n node, want byte, level int) error {
	what := "the document"
	if path := slices.Concat(to.above, to.Path[:level]); len(path) > 0 {
		what = `"` + strings.Join(path, ".") + `"`
	}
	words := map[byte]string{'{': "a mapping", '[': "a list", '"': "a string", 't': "true or false", '0': "a number", 'n': "null"}
	is := words[n.kind]
	if is == "" {
		is = "something else"
	}
	return errAt(ErrShape, data, n.start, "%s is %s, and should be %s", what, is, words[want])
}

// pick finds the one item of a name in an object, or the one object in a list whose key field has it. It returns -1 for none.
func (f flow) pick(data []byte, n node, name, key string) (int, error) {
	found := -1
	for i, it := range n.items {
		is := it.name == name
		if n.kind == '[' {
			got, ok := field(it.value, key)
			is = ok && f.decode(data, got.value) == any(name)
		}
		if !is {
			continue
		}
		if found >= 0 {
			return -1, errTwice(data, name, n.items[found].start, it.start)
		}
		found = i
	}
	return found, nil
}

func field(n node, name string) (item, bool) {
	i := slices.IndexFunc(n.items, func(it item) bool { return it.name == name })
	if n.kind != '{' || i < 0 {
		return item{}, false
	}
	return n.items[i], true
}

// decode is the value of a node.
func (f flow) decode(data []byte, n node) any {
	switch n.kind {
	case '{':
		m := make(map[string]any, len(n.items))
		for _, it := range n.items {
			m[it.name] = f.decode(data, it.value)
		}
		return m
	case '[':
		list := make([]any, len(n.items))
		for i, it := range n.items {
			list[i] = f.decode(data, it.value)
		}
		return list
	default:
		if f.scalar == nil {
			return n.known
		}
		return f.scalar(n.kind, data[n.start:n.end])
	}
}

// list is the entries in n.
func (f flow) list(data []byte, n node, key string) []Entry {
	var list []Entry
	for _, it := range n.items {
		e := Entry{Name: it.name, Value: f.decode(data, it.value), Line: lineOf(data, it.start)}
		if m, ok := e.Value.(map[string]any); ok && key != "" {
			e.Name, _ = m[key].(string)
		}
		list = append(list, e)
	}
	return list
}

// wrap puts an entry into the containers it still lacks from a level on.
func wrap(at Place, level int, name string, entry Object) Object {
	inner := Object{{Name: name, Value: entry}}
	last := len(at.Path)
	if at.Key != "" {
		last--
		inner = Object{{Name: at.Path[last], Value: []any{entry}}}
	}
	for i := last - 1; i >= level; i-- {
		inner = Object{{Name: at.Path[i], Value: inner}}
	}
	return inner
}

// append adds an entry, with the containers that are missing, at the end of a trail.
func (f flow) append(data []byte, t trail, to target, entry Object, unit string) ([]splice, Trace) {
	level := len(t.nodes) - 1
	at, name := to.Place, to.name
	st := f.style(data, t.end(), t.parent(level), unit)
	inner := st
	if st.inlineItems && level == len(at.Path) {
		inner = st.oneLine()
	}
	var items []string
	if level == len(at.Path) && at.Key != "" {
		items = []string{f.text(entry, inner)}
	} else {
		items = f.members(wrap(at, level, name, entry), inner)
	}
	list, trace := f.add(data, t.end(), st, items)
	trace.Created = len(at.Path) - level
	return list, trace
}

// unit is one step of a document's indentation.
func (f flow) unit(data []byte, root node) string {
	if len(root.items) > 0 && startsLine(data, root.items[0].start) {
		if s := indentAt(data, root.items[0].start); s != "" {
			return s
		}
	}
	return "  "
}

// update sets the fields of an object that is there.
func (f flow) update(data []byte, it item, entry Object, unit string) ([]splice, error) {
	n := it.value
	if n.kind != '{' {
		return nil, errAt(ErrShape, data, n.start, "%q is not a mapping", it.name)
	}
	st := f.style(data, n, &it, unit)
	var list []splice
	var missing Object
	for _, want := range entry {
		i, err := f.pick(data, n, want.Name, "")
		if err != nil {
			return nil, err
		}
		if i < 0 {
			missing = append(missing, want)
			continue
		}
		have := n.items[i]
		if sub, ok := want.Value.(Object); ok && have.value.kind == '{' {
			more, err := f.update(data, have, sub, unit)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		} else if !equal(f.decode(data, have.value), want.Value) {
			list = append(list, f.set(have, want.Value, st))
		}
	}
	if len(missing) > 0 {
		more, _ := f.add(data, n, st, f.members(missing, st))
		list = append(list, more...)
	}
	return list, nil
}

// prune removes the value at path below n, and the mappings on the way that this empties.
func (f flow) prune(data []byte, n node, path []string) ([]splice, error) {
	i, err := f.pick(data, n, path[0], "")
	if err != nil || n.kind != '{' || i < 0 {
		return nil, err
	}
	sub := n.items[i].value
	if len(path) == 1 {
		return f.cut(data, n, i, Trace{}), nil
	}
	j, err := f.pick(data, sub, path[1], "")
	if err != nil || sub.kind != '{' || j < 0 {
		return nil, err
	}
	list, err := f.prune(data, sub, path[1:])
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if len(sub.items) == 1 && !sub.comments && gone(sub, list) {
		return f.cut(data, n, i, Trace{}), nil
	}
	return list, nil
}

// gone says that the splices empty the brackets of n.
func gone(n node, list []splice) bool {
	return len(list) == 1 && list[0].start == n.start+1 && list[0].end == n.end-1 && list[0].text == ""
}

// withdraw removes the entry that a trail leads to, with the containers that came with it and are otherwise empty.
func (f flow) withdraw(data []byte, t trail, level int, trace Trace) []splice {
	alone := func(n node) bool { return len(n.items) == 1 && !n.comments }
	created := trace.Created
	for created > 0 && level > 0 && alone(t.nodes[level]) {
		level--
		created--
	}
	root := t.nodes[0]
	switch {
	case created > 0:
		trace = Trace{}
	case trace.Whole && alone(root):
		start, end := root.start, root.end
		if bytes.HasSuffix(data[:start], []byte(trace.Before)) {
			start -= len(trace.Before)
		}
		if bytes.HasPrefix(data[end:], []byte(trace.After)) {
			end += len(trace.After)
		}
		return []splice{{start, end, trace.Was}}
	case trace.Whole:
		trace = Trace{}
	}
	return f.cut(data, t.nodes[level], t.at[level], trace)
}

// outside sums up what stands beside the trail from a level on. A container is no more than what it holds: Put and Remove may
// make one or take it away.
func (t trail) outside(sum *digest, data []byte, level int) {
	if level >= len(t.nodes) {
		return
	}
	for i, it := range t.nodes[level].items {
		if level >= len(t.at) || i != t.at[level] {
			sum.add(data[it.start:it.value.end])
		} else if !t.bare(level + 1) {
			sum.addString("in")
			t.outside(sum, data, level+1)
			sum.addString("out")
		}
	}
}

// bare says that nothing stands beside the trail from a level on.
func (t trail) bare(level int) bool {
	if level >= len(t.nodes) {
		return true
	}
	n := len(t.nodes[level].items)
	return n == 0 || n == 1 && level < len(t.at) && t.bare(level+1)
}
