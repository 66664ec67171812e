package edit

import "github.com/pelletier/go-toml/v2/unstable"

// defs watches that nothing is defined twice. go-toml can tell too, but takes half a minute for a large file with many tables,
// and refuses whole numbers beyond 64 bits anywhere.
type defs struct {
	data []byte
	all  map[slot]*def
	at   int32 // the table that keys go to
	last int32 // the last id given; 0 is the root's
}

type defKind int

const (
	defImplied defKind = iota // a table named on the way to another
	defTable                  // by its header
	defDotted                 // by a dotted key
	defArray                  // an array of tables; its id is the last one's
	defValue                  // a value, inline tables and arrays included
)

type def struct {
	kind defKind
	off  int
	id   int32 // of what is below it
}

// A slot is a name below a def.
type slot struct {
	below int32
	name  string
}

func newDefs(data []byte) *defs {
	return &defs{data: data, all: map[slot]*def{}}
}

func (ds *defs) make(below int32, name string, kind defKind, off int) *def {
	ds.last++
	n := &def{kind: kind, off: off, id: ds.last}
	ds.all[slot{below, name}] = n
	return n
}

func (ds *defs) add(s stmt, e *unstable.Node) error {
	if s.kind == unstable.KeyValue {
		if err := ds.inline(e.Value()); err != nil {
			return err
		}
		return ds.key(ds.at, s.path[len(s.path)-s.key:], s.start)
	}
	var at int32 // the root
	last := len(s.path) - 1
	for _, name := range s.path[:last] {
		next := ds.all[slot{at, name}]
		if next == nil {
			next = ds.make(at, name, defImplied, s.start)
		} else if next.kind == defValue {
			return errTwice(ds.data, name, next.off, s.start)
		}
		at = next.id
	}
	name := s.path[last]
	have := ds.all[slot{at, name}]
	switch {
	case have == nil && s.kind == unstable.ArrayTable:
		have = ds.make(at, name, defArray, s.start)
	case have == nil:
		have = ds.make(at, name, defTable, s.start)
	case s.kind == unstable.ArrayTable && have.kind == defArray:
		ds.last++
		have.id = ds.last // a new element, in which nothing is defined
	case s.kind == unstable.Table && have.kind == defImplied:
		have.kind, have.off = defTable, s.start
	default:
		return errTwice(ds.data, name, have.off, s.start)
	}
	ds.at = have.id
	return nil
}

// key defines a value below a table.
func (ds *defs) key(at int32, path []string, off int) error {
	for i, name := range path {
		next := ds.all[slot{at, name}]
		switch {
		case i == len(path)-1 && next == nil:
			ds.make(at, name, defValue, off)
			return nil
		case i == len(path)-1:
			return errTwice(ds.data, name, next.off, off)
		case next == nil:
			next = ds.make(at, name, defDotted, off)
		case next.kind != defDotted && next.kind != defImplied:
			return errTwice(ds.data, name, next.off, off)
		}
		at = next.id
	}
	return nil
}

// inline checks the tables within a value.
func (ds *defs) inline(v *unstable.Node) error {
	if v.Kind != unstable.InlineTable && v.Kind != unstable.Array {
		return nil
	}
	ds.last++
	table := ds.last
	it := v.Children()
	for it.Next() {
		n := it.Node()
		if n.Kind == unstable.KeyValue {
			var path []string
			for k := n.Key(); k.Next(); {
				path = append(path, string(k.Node().Data))
			}
			if err := ds.key(table, path, int(n.Raw.Offset)); err != nil {
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
