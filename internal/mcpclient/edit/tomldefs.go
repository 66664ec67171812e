package edit

import (
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// defs watches that nothing is defined twice. go-toml can tell too, but takes half a minute for a large file with many tables,
// and refuses whole numbers beyond 64 bits anywhere.
type defs struct {
	data []byte
	root *def
	at   *def // the table that keys go to
}

type defKind int

const (
	defImplied defKind = iota // a table named on the way to another
	defTable                  // by its header
	defDotted                 // by a dotted key
	defArray                  // an array of tables; below holds the last one's content
	defValue                  // a value, inline tables and arrays included
)

type def struct {
	kind  defKind
	off   int
	below map[string]*def
}

func newDefs(data []byte) *defs {
	root := &def{}
	return &defs{data: data, root: root, at: root}
}

func (d *def) sub(name string) *def { return d.below[name] }

func (d *def) make(name string, kind defKind, off int) *def {
	if d.below == nil {
		d.below = map[string]*def{}
	}
	n := &def{kind: kind, off: off}
	d.below[name] = n
	return n
}

func (ds *defs) add(s stmt, e *unstable.Node) error {
	if s.kind == unstable.KeyValue {
		if err := ds.inline(e.Value()); err != nil {
			return err
		}
		return ds.key(ds.at, s.path[len(s.path)-s.key:], s.start)
	}
	at := ds.root
	last := len(s.path) - 1
	for _, name := range s.path[:last] {
		next := at.sub(name)
		if next == nil {
			next = at.make(name, defImplied, s.start)
		} else if next.kind == defValue {
			return errTwice(ds.data, name, next.off, s.start)
		}
		at = next
	}
	name := s.path[last]
	have := at.sub(name)
	switch {
	case have == nil && s.kind == unstable.ArrayTable:
		have = at.make(name, defArray, s.start)
	case have == nil:
		have = at.make(name, defTable, s.start)
	case s.kind == unstable.ArrayTable && have.kind == defArray:
		have.below = nil
	case s.kind == unstable.Table && have.kind == defImplied:
		have.kind, have.off = defTable, s.start
	default:
		return errTwice(ds.data, name, have.off, s.start)
	}
	ds.at = have
	return nil
}

// key defines a value below a table.
func (ds *defs) key(at *def, path []string, off int) error {
	for i, name := range path {
		next := at.sub(name)
		switch {
		case i == len(path)-1 && next == nil:
			at.make(name, defValue, off)
		case i == len(path)-1:
			return errTwice(ds.data, name, next.off, off)
		case next == nil:
			next = at.make(name, defDotted, off)
		case next.kind != defDotted && next.kind != defImplied:
			return errTwice(ds.data, name, next.off, off)
		}
		at = next
	}
	return nil
}

// inline checks the tables within a value.
func (ds *defs) inline(v *unstable.Node) error {
	if v.Kind != unstable.InlineTable && v.Kind != unstable.Array {
		return nil
	}
	table := &def{}
	it := v.Children()
	for it.Next() {
		n := it.Node()
		if n.Kind == unstable.KeyValue {
			var path []string
			for k := n.Key(); k.Next(); {
				path = append(path, string(k.Node().Data))
			}
			if err := ds.key(table, slices.Clip(path), int(n.Raw.Offset)); err != nil {
				return err
			}
			n = n.Value()
		}
		if err := ds.inline(n); err != nil {
			return err
		}
	}
	return nil
}
