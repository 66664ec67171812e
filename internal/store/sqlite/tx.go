package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// tx is a store.Tx. It holds the context of the call of View or Update that it lives in.
type tx struct {
	ctx      context.Context
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
}

var _ store.Tx = (*tx)(nil)

// hit runs a statement and says how many rows it added, changed or removed.
func (t *tx) hit(what, query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, rowError(what, err)
	}
	n, err := res.RowsAffected()
	return n, rowError(what, err)
}

// exec runs a statement that adds or changes rows.
func (t *tx) exec(what, query string, args ...any) error {
	_, err := t.hit(what, query, args...)
	return err
}

// add runs an INSERT of one row; ErrExists: a unique value is taken.
func (t *tx) add(what, query string, args ...any) error {
	return t.change(what, store.ErrExists, query+` ON CONFLICT DO NOTHING`, args...)
}

// change runs a statement that must hit one row, else it answers none.
func (t *tx) change(what string, none error, query string, args ...any) error {
	n, err := t.hit(what, query, args...)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", what, none)
	}
	return err
}

// changeUnique is change for what may meet a unique value that is taken. SQLite undoes the statement alone.
func (t *tx) changeUnique(what string, none error, query string, args ...any) error {
	return t.change(what, none, query, args...)
}

// rows reads rows with scan until there are no more.
func (t *tx) rows(what, query string, args []any, scan func(scanner) error) error {
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

// row reads the one row that there is.
func (t *tx) row(what, query string, args []any, into ...any) error {
	err := sql.ErrNoRows
	if e := t.rows(what, query, args, func(r scanner) error {
		err = nil
		return r.Scan(into...)
	}); e != nil {
		return e
	}
	return rowError(what, err)
}

type scanner interface{ Scan(into ...any) error }

// micros is how a time that is always there is kept.
func micros(t time.Time) int64 { return t.UnixMicro() }

// orNull is how a time that may be missing is kept.
func orNull(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// moment scans a time; NULL is the zero time.
type moment struct{ t *time.Time }

func (m moment) Scan(v any) error {
	switch n := v.(type) {
	case nil:
		*m.t = time.Time{}
	case int64:
		*m.t = time.UnixMicro(n).UTC()
	default:
		return fmt.Errorf("want a time in microseconds, have %T", v)
	}
	return nil
}

// textOrNull keeps the empty string as NULL.
func textOrNull(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// text scans text that may be missing; NULL is the empty string.
type text struct{ s *string }

func (x text) Scan(v any) error {
	switch s := v.(type) {
	case nil:
		*x.s = ""
	case string:
		*x.s = s
	default:
		return fmt.Errorf("want text, have %T", v)
	}
	return nil
}

// texts is a list of strings, kept as a JSON array; NULL is an empty one.
type texts struct{ list *[]string }

func (x texts) Scan(v any) error {
	*x.list = nil
	switch s := v.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(s), x.list)
	}
	return fmt.Errorf("want JSON text, have %T", v)
}

func textsOrNull(list []string) (sql.NullString, error) {
	if len(list) == 0 {
		return sql.NullString{}, nil
	}
	b, err := json.Marshal(list)
	return sql.NullString{String: string(b), Valid: true}, err
}

// facts is a map of strings, kept as a JSON object.
type facts struct{ m *map[string]string }

func (f facts) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("want JSON text, have %T", v)
	}
	*f.m = map[string]string{}
	return json.Unmarshal([]byte(text), f.m)
}

func factsText(m map[string]string) (string, error) {
	if m == nil {
		m = map[string]string{}
	}
	b, err := json.Marshal(m)
	return string(b), err
}
