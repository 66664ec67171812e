package edit

import (
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

type tomlDoc struct {
	target
	data     []byte
	list     []stmt
	comments []int
	base     int   // how many elements of a path the entry's own statements share
	mine     []int // the entry's statements, where it has its own

	host  int   // the statement whose value has the list of servers in it; -1: none
	trail trail // within the host's value
	rest  Place // the place, from the host's value on
}

func tomlFlow() flow {
	return flow{hash: true, flat: true, sep: " = ", name: keyTOML, quote: quoteJSON, scalar: scalarTOML}
}

func keyTOML(s string) string {
	const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if s != "" && strings.Trim(s, bare) == "" {
		return s
	}
	return quoteJSON(s)
}

func dotted(path []string) string {
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = keyTOML(p)
	}
	return strings.Join(parts, ".")
}

func hasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

func readTOML(data []byte, to target) (document, error) {
	list, comments, err := scanTOML(data)
	if err != nil {
		return nil, err
	}
	d := &tomlDoc{target: to, data: data, list: list, comments: comments, host: -1}
	isList := false // an array of tables has begun at the place
	for i, s := range list {
		if err := d.checkKind(i, s, isList); err != nil {
			return nil, err
		}
		isList = isList || s.kind == unstable.ArrayTable && slices.Equal(s.path, d.Path)
	}
	if d.host >= 0 {
		root := scanValue(data, list[d.host].value)
		d.rest = Place{Path: d.Path[len(list[d.host].path):], Key: d.Key}
		to.Place, to.above = d.rest, list[d.host].path
		d.trail, err = tomlFlow().find(data, root, to)
		return d, err
	}
	if d.Key != "" {
		return d, d.findElement()
	}
	own := append(slices.Clip(d.Path), d.name)
	d.base = len(own)
	for i, s := range list {
		if !to.all && hasPrefix(s.path, own) {
			d.mine = append(d.mine, i)
		}
	}
	return d, nil
}

// checkKind refuses a statement that makes something else of the place, and finds the host.
func (d *tomlDoc) checkKind(i int, s stmt, isList bool) error {
	switch {
	case !hasPrefix(d.Path, s.path) && !hasPrefix(s.path, d.Path):
		return nil
	case s.kind == unstable.KeyValue && len(s.path) <= len(d.Path):
		// An array on the way, or something else that is no table, is found out by following the trail.
		d.host = i
	case s.kind == unstable.ArrayTable && len(s.path) < len(d.Path),
		s.kind == unstable.ArrayTable && len(s.path) == len(d.Path) && d.Key == "":
		return errAt(ErrShape, d.data, s.start, "%q is a list, and should be a mapping", dotted(s.path))
	case d.Key != "" && !isList && hasPrefix(s.path, d.Path) && (s.kind != unstable.ArrayTable || len(s.path) > len(d.Path)):
		return errAt(ErrShape, d.data, s.start, "%q is a mapping, and should be a list", dotted(d.Path))
	}
	return nil
}

// elements parts the statements of an array of tables by element.
func (d *tomlDoc) elements() [][]int {
	var all [][]int
	for i, s := range d.list {
		switch {
		case s.kind == unstable.ArrayTable && slices.Equal(s.path, d.Path):
			all = append(all, []int{i})
		case len(all) > 0 && hasPrefix(s.path, d.Path):
			all[len(all)-1] = append(all[len(all)-1], i)
		}
	}
	return all
}

// findElement finds the one element of an array of tables that has the name.
func (d *tomlDoc) findElement() error {
	d.base = len(d.Path)
	if d.all {
		return nil
	}
	for _, e := range d.elements() {
		if name, _ := d.decode(e, d.base)[d.Key].(string); name != d.name {
			continue
		}
		if d.mine != nil {
			return errTwice(d.data, d.name, d.list[d.mine[0]].start, d.list[e[0]].start)
		}
		d.mine = e
	}
	return nil
}

// decode is the value of a table. Its statements share the first base elements of their paths.
func (d *tomlDoc) decode(stmts []int, base int) map[string]any {
	root := map[string]any{}
	for _, i := range stmts {
		s := d.list[i]
		path := s.path[base:]
		if len(path) == 0 {
			if s.kind == unstable.KeyValue {
				if m, ok := tomlFlow().decode(d.data, scanValue(d.data, s.value)).(map[string]any); ok {
					root = m
				}
			}
			continue
		}
		at := root
		for _, name := range path[:len(path)-1] {
			at = below(at, name)
		}
		name := path[len(path)-1]
		switch s.kind {
		case unstable.KeyValue:
			at[name] = tomlFlow().decode(d.data, scanValue(d.data, s.value))
		case unstable.ArrayTable:
			tables, _ := at[name].([]any)
			at[name] = append(tables, map[string]any{})
		default:
			below(at, name)
		}
	}
	return root
}

// below is the table of a name, or the last one where there is an array of them.
func below(m map[string]any, name string) map[string]any {
	switch v := m[name].(type) {
	case map[string]any:
		return v
	case []any:
		if t, ok := v[len(v)-1].(map[string]any); ok {
			return t
		}
	}
	t := map[string]any{}
	m[name] = t
	return t
}

func (d *tomlDoc) entries() ([]Entry, error) {
	var list []Entry
	if d.host >= 0 {
		if len(d.trail.nodes) <= len(d.rest.Path) {
			return nil, nil
		}
		return tomlFlow().list(d.data, d.trail.end(), d.Key), nil
	}
	if d.Key != "" {
		for _, e := range d.elements() {
			m := d.decode(e, d.base)
			name, _ := m[d.Key].(string)
			list = append(list, Entry{Name: name, Value: m, Line: lineOf(d.data, d.list[e[0]].start)})
		}
		return list, nil
	}
	stmts := map[string][]int{}
	var names []string
	for i, s := range d.list {
		if hasPrefix(s.path, d.Path) && len(s.path) > len(d.Path) {
			name := s.path[len(d.Path)]
			if stmts[name] == nil {
				names = append(names, name)
			}
			stmts[name] = append(stmts[name], i)
		}
	}
	for _, name := range names {
		first := d.list[stmts[name][0]]
		e := Entry{Name: name, Value: d.value(stmts[name], len(d.Path)+1), Line: lineOf(d.data, first.start)}
		list = append(list, e)
	}
	return list, nil
}

// value is that of an entry, which need not be a table.
func (d *tomlDoc) value(stmts []int, base int) any {
	s := d.list[stmts[0]]
	if len(s.path) == base && s.kind == unstable.KeyValue {
		return tomlFlow().decode(d.data, scanValue(d.data, s.value))
	}
	if len(s.path) == base && s.kind == unstable.ArrayTable && d.Key == "" {
		return []any{}
	}
	return d.decode(stmts, base)
}

func (d *tomlDoc) entry() (any, bool, error) {
	switch {
	case d.hosted():
		return tomlFlow().decode(d.data, d.hostItem().value), true, nil
	case d.mine != nil:
		return d.value(d.mine, d.base), true, nil
	default:
		return nil, false, nil
	}
}

// hosted says that the entry is within an inline table or array.
func (d *tomlDoc) hosted() bool { return d.host >= 0 && len(d.trail.at) > len(d.rest.Path) }

func (d *tomlDoc) hostItem() item { return d.trail.end().items[d.trail.at[len(d.rest.Path)]] }

func (d *tomlDoc) outside(sum *digest) {
	mine := d.mine
	for i, s := range d.list {
		switch {
		case len(mine) > 0 && mine[0] == i:
			mine = mine[1:]
		case i != d.host:
			sum.add(d.data[s.start:s.end])
		case !d.trail.bare(0):
			sum.add(d.data[s.start:s.value])
			d.trail.outside(sum, d.data, 0)
			sum.addString("end")
		}
	}
}
