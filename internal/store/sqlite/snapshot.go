package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyfob/keyfob/internal/store"
)

// Snapshot is a database as it was at one moment. Nothing is written to its file.
type Snapshot struct {
	path string
	db   *sql.DB
	tx   *sql.Tx
}

// OpenSnapshot opens the database at path, which must be there and of this program's schema: an older one (store.ErrOlderSchema) is
// not brought up to date. The snapshot ends with ctx.
func OpenSnapshot(ctx context.Context, path string) (_ *Snapshot, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("database %s: %w", path, store.ErrNotFound)
	}
	s := &Snapshot{path: path}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(explain(path, err), s.Close())
	}
	return s, nil
}

func (s *Snapshot) open(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := probe(short, snapshotDSN(s.path)); err != nil {
		return err
	}
	var err error
	if s.db, err = openPool(short, snapshotDSN(s.path), 1); err != nil {
		return err
	}
	if s.tx, err = s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
		return err
	}
	is, err := schemaOf(short, s.tx)
	if known := len(allMigrations()); err == nil && is.Version < known {
		err = fmt.Errorf("%w: its schema is %d, this program's %d", store.ErrOlderSchema, is.Version, known)
	}
	return err
}

// snapshotDSN opens the file for reading alone: whoever may write moves the log of a service that was killed into it.
func snapshotDSN(path string) string {
	return strings.Replace(dsn(path, url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}}), "mode=rw", "mode=ro", 1)
}

// Close lets the snapshot go.
func (s *Snapshot) Close() error {
	var errs []error
	if s.tx != nil {
		if err := s.tx.Rollback(); !errors.Is(err, sql.ErrTxDone) { // ctx has ended
			errs = append(errs, err)
		}
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// View is store.Store's.
func (s *Snapshot) View(ctx context.Context, fn func(store.Tx) error) error {
	return explain(s.path, fn(newTx(ctx, s.tx, nil, nil)))
}

// Tables returns all tables, by name.
func (s *Snapshot) Tables(ctx context.Context) ([]store.Table, error) {
	names, err := s.strings(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	tables := make([]store.Table, len(names))
	for i, name := range names {
		t := store.Table{Name: name}
		if t.Columns, err = s.columns(ctx, name); err != nil {
			return nil, err
		}
		if t.Key, err = s.strings(ctx, `SELECT name FROM pragma_table_xinfo($1) WHERE pk > 0 ORDER BY pk`, name); err != nil {
			return nil, err
		}
		if t.Refs, err = s.strings(ctx, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1) ORDER BY 1`, name); err != nil {
			return nil, err
		}
		tables[i] = t
	}
	return tables, nil
}

func (s *Snapshot) columns(ctx context.Context, table string) (list []store.Column, err error) {
	kinds := map[string]store.Kind{"TEXT": store.KindText, "BLOB": store.KindBytes, "INTEGER": store.KindInteger}
	rows, err := s.tx.QueryContext(ctx, `SELECT name, type, hidden > 0 FROM pragma_table_xinfo($1) ORDER BY cid`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c store.Column
		var kind string
		if err := rows.Scan(&c.Name, &kind, &c.Generated); err != nil {
			return nil, err
		}
		kind, _, _ = strings.Cut(kind, " ") // a generated column's goes on with GENERATED ALWAYS
		if c.Kind = kinds[kind]; c.Kind == "" {
			return nil, fmt.Errorf("table %s: column %s is of the unknown type %q", table, c.Name, kind)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

func (s *Snapshot) strings(ctx context.Context, query string, args ...any) (list []string, err error) {
	rows, err := s.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

// Rows are those of a table, by its primary key: string, []byte, int64 or nil for each of the columns.
func (s *Snapshot) Rows(ctx context.Context, t store.Table, columns []string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		//nolint:gosec // the names are the schema's
		rows, err := s.tx.QueryContext(ctx, `SELECT `+quoted(columns)+` FROM `+quoted([]string{t.Name})+` ORDER BY `+quoted(t.Key))
		if err != nil {
			yield(nil, explain(s.path, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			row := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				yield(nil, explain(s.path, err))
				return
			}
			for i, v := range row {
				if b, ok := v.([]byte); ok && b == nil { // the driver's empty blob, which is not NULL
					row[i] = []byte{}
				}
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, explain(s.path, err))
		}
	}
}

func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }
