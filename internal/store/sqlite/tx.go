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
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
}

var (
	_ store.Tx          = (*tx)(nil)
	_ statements.Engine = (*tx)(nil)
)

func newTx(ctx context.Context, inner *sql.Tx, prepared map[string]*sql.Stmt) *tx {
	t := &tx{ctx: ctx, tx: inner, prepared: prepared}
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
		Now:      "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
	}
}

// Run implements statements.Engine.
func (t *tx) Run(what, query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, rowError(what, err)
	}
	n, err := res.RowsAffected()
	return n, rowError(what, err)
}

// RunUnique implements statements.Engine. SQLite undoes a statement that fails, and that alone.
func (t *tx) RunUnique(what, query string, args ...any) (int64, error) {
	return t.Run(what, query, args...)
}

// Rows implements statements.Engine.
func (t *tx) Rows(what, query string, args []any, scan func(statements.Row) error) error {
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
	return t.tx.QueryContext(t.ctx, query, args...)
}
