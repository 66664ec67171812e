package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/keyfob/keyfob/internal/store"
)

// tx is a store.Tx. It holds the context of the call of View or Update that it lives in.
type tx struct {
	ctx context.Context
	tx  pgx.Tx
	// broken is the first error that PostgreSQL answered; it takes nothing more in this transaction, whatever fn makes of it.
	broken error
	wrote  bool // since the log of changes was last brought up to date
}

var _ store.Tx = (*tx)(nil)

// failed notes and translates what a statement answered.
func (t *tx) failed(what string, err error) error {
	if t.broken == nil {
		t.broken = err
	}
	return rowError(what, err)
}

// hit runs a statement and says how many rows it added, changed or removed.
func (t *tx) hit(what, query string, args ...any) (int64, error) {
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

// exec runs a statement that adds or changes rows.
func (t *tx) exec(what, query string, args ...any) error {
	_, err := t.hit(what, query, args...)
	return err
}

// add runs an INSERT of one row; ErrExists: a unique value is taken. PostgreSQL refuses every further statement of a
// transaction in which one failed, so none may. A row that the transaction can't see yet is answered by a conflict that has
// the transaction run again.
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

// changeUnique is change for what may meet a unique value that is taken: the transaction goes on behind a savepoint.
func (t *tx) changeUnique(what string, none error, query string, args ...any) error {
	if !storable(args) {
		return fmt.Errorf("%s: %w", what, errText)
	}
	t.wrote = true
	var n int64
	batch := &pgx.Batch{}
	batch.Queue(`SAVEPOINT change`)
	batch.Queue(query, args...).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	switch err := t.tx.SendBatch(t.ctx, batch).Close(); {
	case isUnique(err):
		if err := t.exec(what, `ROLLBACK TO SAVEPOINT change`); err != nil {
			return err
		}
		return rowError(what, err)
	case err != nil:
		return t.failed(what, err)
	case n == 0:
		return fmt.Errorf("%s: %w", what, none)
	}
	return nil
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

// rows reads rows with scan until there are no more.
func (t *tx) rows(what, query string, args []any, scan func(scanner) error) error {
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

// row reads the one row that there is.
func (t *tx) row(what, query string, args []any, into ...any) error {
	err := fmt.Errorf("%s: %w", what, store.ErrNotFound)
	if e := t.rows(what, query, args, func(r scanner) error {
		err = nil
		return r.Scan(into...)
	}); e != nil {
		return e
	}
	return err
}

type scanner interface{ Scan(into ...any) error }

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
