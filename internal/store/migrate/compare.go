package migrate

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
)

// ordered puts each table after those that its foreign keys lead to.
func ordered(tables []store.Table) ([]store.Table, error) {
	var out []store.Table
	placed := map[string]bool{}
	for len(out) < len(tables) {
		before := len(out)
		for _, t := range tables {
			ready := !slices.ContainsFunc(t.Refs, func(ref string) bool { return ref != t.Name && !placed[ref] })
			if ready && !placed[t.Name] {
				placed[t.Name] = true
				out = append(out, t)
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("foreign keys lead in a circle: only %d of %d tables can be filled one after the other", len(out), len(tables))
		}
	}
	return out, nil
}

// compareSchemas says what one of the databases has and the other has not, ownTables apart.
func compareSchemas(source, target []store.Table) (differences []string) {
	sides := []struct {
		name       string
		have, lack []store.Table
	}{{"SQLite", source, target}, {"PostgreSQL", target, source}}
	for _, side := range sides {
		for _, t := range side.have {
			if slices.Contains(ownTables(), t.Name) {
				continue
			}
			i := slices.IndexFunc(side.lack, func(o store.Table) bool { return o.Name == t.Name })
			if i < 0 {
				differences = append(differences, fmt.Sprintf("only %s has table %s", side.name, t.Name))
				continue
			}
			for _, c := range t.Columns {
				if !slices.ContainsFunc(side.lack[i].Columns, func(o store.Column) bool { return agree(c, o) }) {
					differences = append(differences, fmt.Sprintf("only %s has column %s.%s as it is there", side.name, t.Name, c.Name))
				}
			}
		}
	}
	return differences
}

// agree says that two columns hold the same.
func agree(a, b store.Column) bool {
	kind := func(k store.Kind) store.Kind {
		if k == store.KindBoolean {
			return store.KindInteger
		}
		return k
	}
	return a.Name == b.Name && a.Generated == b.Generated && kind(a.Kind) == kind(b.Kind)
}

func kindsOf(tables []store.Table, name string) map[string]store.Kind {
	kinds := map[string]store.Kind{}
	for _, t := range tables {
		if t.Name != name {
			continue
		}
		for _, c := range t.Columns {
			kinds[c.Name] = c.Kind
		}
	}
	return kinds
}

// converted are SQLite's rows as PostgreSQL has them: with booleans.
func converted(table string, rows iter.Seq2[[]any, error], columns []string, kinds map[string]store.Kind) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for row, err := range rows {
			for i, v := range row {
				if n, ok := v.(int64); ok && kinds[columns[i]] == store.KindBoolean {
					if n != 0 && n != 1 {
						yield(nil, fmt.Errorf("table %s: column %s holds %d, which is neither true nor false", table, columns[i], n))
						return
					}
					row[i] = n == 1
				}
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// compareRows compares rows that are in the same order, and returns how many there are.
func compareRows(t store.Table, columns []string, source, target iter.Seq2[[]any, error]) (n int64, err error) {
	next, stop := iter.Pull2(target)
	defer stop()
	for want, err := range source {
		if err != nil {
			return n, err
		}
		got, err, more := next()
		if err != nil {
			return n, err
		}
		if !more {
			return n, fmt.Errorf("%w: table %s has only %d rows", ErrDiffer, t.Name, n)
		}
		n++
		for i := range want {
			if !same(want[i], got[i]) { // the values may be secrets' digests: they are not said
				return n, fmt.Errorf("%w: table %s, row %d by its primary key, column %s", ErrDiffer, t.Name, n, columns[i])
			}
		}
	}
	if _, err, more := next(); more || err != nil {
		if err == nil {
			err = fmt.Errorf("%w: table %s has more than %d rows", ErrDiffer, t.Name, n)
		}
		return n, err
	}
	return n, nil
}

// same compares text, bytes, numbers and booleans, whose types must be the same, too. NULL is not empty.
func same(a, b any) bool {
	x, ok := a.([]byte)
	y, too := b.([]byte)
	if ok && too {
		return bytes.Equal(x, y)
	}
	return ok == too && a == b
}
