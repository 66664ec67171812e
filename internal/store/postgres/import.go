package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
)

// importTimeout bounds a statement of an import. What others do is refused after lock_timeout meanwhile.
const importTimeout = 2 * time.Hour

// Import is the one transaction in which an empty database is filled: all of it is kept, or nothing.
type Import struct {
	tx     pgx.Tx
	tables []store.Table
}

// Import runs fn in a transaction that has the tables for itself, and keeps what it did if fn returns nil. A database in which a
// table holds a row is refused (store.ErrNotEmpty); own names those that the schema itself fills.
func (s *Store) Import(ctx context.Context, own []string, fn func(*Import) error) error {
	conn, t, err := s.begin(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable})
	if err != nil {
		return err
	}
	defer conn.Release()
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		_ = t.Rollback(end) // answers ErrTxClosed after a commit
	}()
	i := &Import{tx: t}
	err = i.begin(ctx, own)
	if err == nil {
		err = fn(i)
	}
	if err == nil {
		err = i.triggers(ctx, "ENABLE")
	}
	if err != nil {
		return s.fault(ctx, err)
	}
	return s.commit(ctx, t)
}

// begin takes the tables, makes sure that they are empty and stops their triggers, which would log each row as a change.
func (i *Import) begin(ctx context.Context, own []string) (err error) {
	limits := fmt.Sprintf(`SET LOCAL statement_timeout = %[1]d; SET LOCAL idle_in_transaction_session_timeout = %[1]d`, importTimeout.Milliseconds())
	if _, err := i.tx.Exec(ctx, limits, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if i.tables, err = tables(ctx, i.tx); err != nil {
		return err
	}
	names := make([]string, len(i.tables))
	for n, t := range i.tables {
		names[n] = pgx.Identifier{t.Name}.Sanitize()
	}
	if _, err := i.tx.Exec(ctx, `LOCK TABLE `+strings.Join(names, ", ")+` IN EXCLUSIVE MODE`); err != nil {
		return err
	}
	fills := map[string]bool{}
	for _, name := range own {
		fills[name] = true
	}
	for n, t := range i.tables {
		var some bool
		if err := i.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM `+names[n]+`)`).Scan(&some); err != nil {
			return err
		}
		if some && !fills[t.Name] {
			return fmt.Errorf("%w: there are rows in %s", store.ErrNotEmpty, t.Name)
		}
	}
	return i.triggers(ctx, "DISABLE")
}

func (i *Import) triggers(ctx context.Context, verb string) error {
	for _, t := range i.tables {
		if _, err := i.tx.Exec(ctx, `ALTER TABLE `+pgx.Identifier{t.Name}.Sanitize()+` `+verb+` TRIGGER USER`); err != nil {
			return err
		}
	}
	return nil
}

// Tables returns all tables, by name; without Refs.
func (i *Import) Tables() []store.Table { return i.tables }

func tables(ctx context.Context, t pgx.Tx) (list []store.Table, err error) {
	const columns = `SELECT c.table_name, c.column_name, c.udt_name, c.is_generated = 'ALWAYS'
		FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE table_schema = current_schema() AND t.table_type = 'BASE TABLE' ORDER BY table_name COLLATE "C", c.ordinal_position`
	kinds := map[string]store.Kind{"text": store.KindText, "bytea": store.KindBytes, "int8": store.KindInteger, "bool": store.KindBoolean}
	rows, err := t.Query(ctx, columns)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var table, kind string
		var c store.Column
		if err := rows.Scan(&table, &c.Name, &kind, &c.Generated); err != nil {
			return nil, err
		}
		if c.Kind = kinds[kind]; c.Kind == "" {
			return nil, fmt.Errorf("table %s: column %s is of the unknown type %q", table, c.Name, kind)
		}
		if n := len(list); n == 0 || list[n-1].Name != table {
			list = append(list, store.Table{Name: table})
		}
		last := &list[len(list)-1]
		last.Columns = append(last.Columns, c)
	}
	return list, rows.Err()
}

// Copy adds rows to a table: the values of its columns that are not generated, as Rows has them. It returns how many there were.
func (i *Import) Copy(ctx context.Context, t store.Table, columns []string, rows iter.Seq2[[]any, error]) (int64, error) {
	next, stop := iter.Pull2(rows)
	defer stop()
	n, err := i.tx.CopyFrom(ctx, pgx.Identifier{t.Name}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, err, more := next()
		if !more {
			return nil, nil //nolint:nilnil // CopyFromFunc's end
		}
		return row, err
	}))
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", t.Name, err)
	}
	if _, err := i.tx.Exec(ctx, `ANALYZE `+pgx.Identifier{t.Name}.Sanitize()); err != nil {
		return 0, fmt.Errorf("table %s: %w", t.Name, err)
	}
	return n, nil
}

// Rows are those of a table, by its primary key t.Key: string, []byte, int64, bool or nil for each of the columns.
func (i *Import) Rows(ctx context.Context, t store.Table, columns []string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		query := `SELECT ` + identifiers(columns) + ` FROM ` + pgx.Identifier{t.Name}.Sanitize() + ` ORDER BY ` + identifiers(t.Key)
		rows, err := i.tx.Query(ctx, query)
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			row, err := rows.Values()
			if !yield(row, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// Count sets where the log of changes goes on: after a number that nobody saw, so that whoever saw an earlier one reads all anew.
func (i *Import) Count(ctx context.Context, n store.KeyChanges) error {
	const q = `UPDATE key_changes SET n = greatest(n, $1) + 1, known = greatest(n, $1) + 1, added = greatest(added, $2) + 1 WHERE id = 1`
	tag, err := i.tx.Exec(ctx, q, n.Changed+n.Added, n.Added)
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("key_changes has no row")
	}
	return err
}

func identifiers(names []string) string {
	list := make([]string, len(names))
	for n, name := range names {
		list[n] = pgx.Identifier{name}.Sanitize()
	}
	return strings.Join(list, ", ")
}
