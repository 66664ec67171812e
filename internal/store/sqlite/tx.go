package sqlite

import (
	"context"
	"database/sql"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

// tx is a store.Tx. It holds the context of the call of View or Update that it lives in.
type tx struct {
	statements.Tx

	ctx      context.Context
	caller   context.Context // no statement begins once it has ended
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
	again    *prepared // what it runs is prepared for the next; nil: no need
}

var (
	_ store.Tx          = (*tx)(nil)
	_ statements.Engine = (*tx)(nil)
)

func newTx(ctx context.Context, inner *sql.Tx, stmts map[string]*sql.Stmt, again *prepared) *tx {
	t := &tx{ctx: ctx, caller: ctx, tx: inner, prepared: stmts, again: again}
	t.Tx = statements.On(t)
	return t
}

// Dialect implements statements.Engine.
func (*tx) Dialect() statements.Dialect {
	return statements.Dialect{
		Hints:    true,
		Disabled: "k.disabled = 1",
		IfNull:   "ifnull",
		OneOf:    "IN (SELECT value FROM json_each($1))",
		Since:    sinceOf,
		Now:      "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
	}
}

// Run implements statements.Engine.
func (t *tx) Run(what, query string, args ...any) (int64, error) {
	if err := t.caller.Err(); err != nil {
		return 0, err
	}
	if stmt := t.prepared[query]; stmt != nil {
		res, err := t.tx.StmtContext(t.ctx, stmt).ExecContext(t.ctx, args...) //nolint:sqlclosecheck // it ends with the transaction
		return affected(what, res, err)
	}
	t.again.note(query)
	return t.once(what, query, args)
}

// once is Run for a text that is hardly seen again.
func (t *tx) once(what, query string, args []any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	return affected(what, res, err)
}

func affected(what string, res sql.Result, err error) (n int64, _ error) {
	if err == nil {
		n, err = res.RowsAffected()
	}
	return n, rowError(what, err)
}

// RunUnique implements statements.Engine. SQLite undoes a statement that fails, and that alone.
func (t *tx) RunUnique(what, query string, args ...any) (int64, error) {
	return t.Run(what, query, args...)
}

// Rows implements statements.Engine.
func (t *tx) Rows(what, query string, args []any, scan func(statements.Row) error) error {
	if err := t.caller.Err(); err != nil {
		return err
	}
	rows, err := t.query(query, args)
	if err != nil {
		return rowError(what, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	for rows.Next() {
		if err := scan(rows); err != nil {
			return rowError(what, err)
		}
	}
	return rowError(what, rows.Err())
}

func (t *tx) query(query string, args []any) (*sql.Rows, error) {
	if stmt := t.prepared[query]; stmt != nil {
		return t.tx.StmtContext(t.ctx, stmt).QueryContext(t.ctx, args...) //nolint:sqlclosecheck // it ends with the transaction
	}
	t.again.note(query)
	return t.tx.QueryContext(t.ctx, query, args...)
}
