package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/statements"
)

// tx is a store.Tx. It holds the context of the call of View or Update that it lives in.
type tx struct {
	statements.Tx

	ctx context.Context
	tx  pgx.Tx
	// broken is the first error that PostgreSQL answered; it takes nothing more in this transaction, whatever fn makes of it.
	broken error
	wrote  bool // since the log of changes was last brought up to date
	counts *counts
}

var (
	_ store.Tx          = (*tx)(nil)
	_ statements.Engine = (*tx)(nil)
)

func newTx(ctx context.Context, inner pgx.Tx) *tx {
	t := &tx{ctx: ctx, tx: inner}
	t.Tx = statements.On(t)
	return t
}

// now is the server's clock in microseconds: what it says is for people alone.
const now = `(extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT`

// Dialect implements statements.Engine.
func (*tx) Dialect() statements.Dialect {
	return statements.Dialect{
		Disabled: "k.disabled",
		IfNull:   "coalesce",
		OneOf:    "= ANY (ARRAY(SELECT json_array_elements_text(CAST($1 AS json))))",
		Since:    "since",
		Now:      now,
	}
}

// failed notes and translates what a statement answered.
func (t *tx) failed(what string, err error) error {
	if t.broken == nil {
		t.broken = err
	}
	return rowError(what, err)
}

// Run implements statements.Engine.
func (t *tx) Run(what, query string, args ...any) (int64, error) {
	if !storable(args) {
		return 0, fmt.Errorf("%s: %w", what, errText)
	}
	t.wrote = true
	tag, err := t.tx.Exec(t.ctx, query, args...)
	if err != nil {
		return 0, t.failed(what, err)
	}
	return tag.RowsAffected(), nil
}

// RunUnique implements statements.Engine: the transaction goes on behind a savepoint.
func (t *tx) RunUnique(what, query string, args ...any) (n int64, err error) {
	if !storable(args) {
		return 0, fmt.Errorf("%s: %w", what, errText)
	}
	t.wrote = true
	batch := &pgx.Batch{}
	batch.Queue(`SAVEPOINT change`)
	batch.Queue(query, args...).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	switch err := t.tx.SendBatch(t.ctx, batch).Close(); {
	case isUnique(err):
		if _, err := t.Run(what, `ROLLBACK TO SAVEPOINT change`); err != nil {
			return 0, err
		}
		return 0, rowError(what, err)
	case err != nil:
		return 0, t.failed(what, err)
	}
	return n, nil
}

// batch runs statements in one round trip.
func (t *tx) batch(what string, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	t.wrote = true
	if err := t.tx.SendBatch(t.ctx, b).Close(); err != nil {
		return t.failed(what, err)
	}
	return nil
}

// Rows implements statements.Engine.
func (t *tx) Rows(what, query string, args []any, scan func(statements.Row) error) error {
	if !storable(args) { // no row has it
		return nil
	}
	rows, err := t.tx.Query(t.ctx, query, args...)
	if err != nil {
		return t.failed(what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return rowError(what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return t.failed(what, err)
	}
	return nil
}

// storable says whether PostgreSQL's text can hold the arguments: it must be UTF-8 and has no NUL.
func storable(args []any) bool {
	for _, a := range args {
		s, ok := a.(string)
		if n, is := a.(sql.NullString); is {
			s, ok = n.String, true
		}
		if ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
			return false
		}
	}
	return true
}
