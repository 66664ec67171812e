// Package statements is what the transactions of all SQL databases have in common: the methods of store.Tx whose SQL every
// engine understands. An engine runs it.
//
// It must not know an engine: neither its driver and its errors, nor how it connects, retries and migrates. The few words that
// engines spell differently are their Dialect; what they do differently is a method of their own that stands before the one here.
package statements

import (
	"fmt"

	"github.com/keyfob/keyfob/internal/store"
)

// Engine runs statements in one transaction, and answers with the errors of package store; what says in them what it was about.
// Values are bound as $1, $2 …: string, []byte, int, int64, bool, sql.NullInt64, sql.NullString or nil.
type Engine interface {
	// Run says how many rows a statement added, changed or removed.
	Run(what, query string, args ...any) (int64, error)
	// RunUnique is Run for what may meet a unique value that is taken: it answers store.ErrExists then, and the transaction goes on.
	RunUnique(what, query string, args ...any) (int64, error)
	// Rows calls scan for each row, and ends with the error that it answers.
	Rows(what, query string, args []any, scan func(Row) error) error
	Dialect() Dialect
}

// Row is scanned into pointers and the scanners of this package.
type Row interface{ Scan(into ...any) error }

// Dialect is what engines spell differently.
type Dialect struct {
	// Hints: the planner has no statistics to choose by, would rather sort, and is told which index to read.
	Hints    bool
	Disabled string // the condition that a key k is disabled, as the index on those has it
	IfNull   string // the function that returns the first of two values that is not NULL, as indexes have it
	OneOf    string // the condition that what stands before it is in the JSON array $1
	Since    string // what a row of schema_migrations says of the oldest schema whose programs it runs beside
	Now      string // the clock, in microseconds: what it says is for people alone
}

// index makes a table be read by an index.
func (d Dialect) index(name string) string {
	if !d.Hints {
		return ""
	}
	return " INDEXED BY " + name
}

// join joins tables in the order in which they stand.
func (d Dialect) join() string {
	if d.Hints {
		return " CROSS JOIN "
	}
	return " JOIN "
}

// Tx has the methods of store.Tx that engines share. An engine's transaction embeds it.
type Tx struct{ engine Engine }

// On returns the methods on a transaction of an engine.
func On(e Engine) Tx { return Tx{e} }

// Hot returns the queries that every request runs, for an engine that gains by having them prepared.
func Hot() []string { return []string{keyByDigest, sessionByDigest} }

// exec runs a statement that adds or changes rows.
func (t *Tx) exec(what, query string, args ...any) error {
	_, err := t.engine.Run(what, query, args...)
	return err
}

// add runs an INSERT of one row; ErrExists: a unique value is taken. PostgreSQL refuses every further statement of a transaction
// in which one failed, so none may. A row that the transaction can't see yet is answered by a conflict that has the transaction
// run again.
func (t *Tx) add(what, query string, args ...any) error {
	return t.change(what, store.ErrExists, query+` ON CONFLICT DO NOTHING`, args...)
}

// change runs a statement that must hit one row, else it answers none.
func (t *Tx) change(what string, none error, query string, args ...any) error {
	n, err := t.engine.Run(what, query, args...)
	return hit(what, none, n, err)
}

// changeUnique is change for what may meet a unique value that is taken.
func (t *Tx) changeUnique(what string, none error, query string, args ...any) error {
	n, err := t.engine.RunUnique(what, query, args...)
	return hit(what, none, n, err)
}

func hit(what string, none error, n int64, err error) error {
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", what, none)
	}
	return err
}

func (t *Tx) rows(what, query string, args []any, scan func(Row) error) error {
	return t.engine.Rows(what, query, args, scan)
}

// row reads the one row that there is.
func (t *Tx) row(what, query string, args []any, into ...any) error {
	return ReadRow(t.engine, what, query, args, into...)
}

// ReadRow reads the one row that there is; store.ErrNotFound: none is.
func ReadRow(on Engine, what, query string, args []any, into ...any) error {
	found := false
	err := on.Rows(what, query, args, func(r Row) error {
		found = true
		return r.Scan(into...)
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return err
}
