package store

// Table is a table as a database's own catalogue describes it, for what must know all of them: to copy a store.
type Table struct {
	Name    string
	Columns []Column
	Key     []string // the columns of the primary key, in its order
	Refs    []string // the tables that its foreign keys lead to, where known
}

// Column is a column of a table.
type Column struct {
	Name      string
	Kind      Kind
	Generated bool // computed from the others, never written
}

// Kind is what a column holds. SQLite keeps booleans as integers.
type Kind string

// The kinds of columns.
const (
	KindText    Kind = "text"
	KindBytes   Kind = "bytes"
	KindInteger Kind = "integer"
	KindBoolean Kind = "boolean"
)

// Written are the names of the columns that are not generated.
func (t Table) Written() []string {
	var names []string
	for _, c := range t.Columns {
		if !c.Generated {
			names = append(names, c.Name)
		}
	}
	return names
}
