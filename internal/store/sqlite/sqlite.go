// Package sqlite is the store on one SQLite file: write-ahead log, every commit synced, one writer and a few readers.
//
// Several processes of one machine may have the file open. The package must not know the rules of the domain, and
// nothing of it but Open is used by name.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// Store is a store.Store on one SQLite file.
type Store struct {
	path   string
	writer *sql.DB // one connection; BEGIN takes the write lock at once
	reader *sql.DB
	hot    map[string]*sql.Stmt // on reader, by query
	often  prepared             // on writer
	queue  queue                // of those who wait for writer
}

var _ store.Store = (*Store)(nil)

const (
	readers     = 4
	openTimeout = 15 * time.Second
)

// Open opens the database at path and brings its schema up to date. It makes the file, readable by its owner alone, in a
// folder that must exist. A file that is no database of Keyfob or of a schema that is too new (store.ErrNewerSchema) is refused and
// left as it is. Open takes at most 15 s.
func Open(ctx context.Context, path string) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	path, err := prepareFile(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(explain(path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := probe(ctx, probeDSN(s.path)); err != nil {
		return err
	}
	if err := tighten(s.path); err != nil { // not sooner: the file may not be ours
		return err
	}
	var err error
	if s.writer, err = openPool(ctx, writerDSN(s.path), 1); err != nil {
		return err
	}
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	if s.reader, err = openPool(ctx, readerDSN(s.path), readers); err != nil {
		return err
	}
	for _, db := range []*sql.DB{s.writer, s.reader} {
		if err := assertSafe(ctx, db); err != nil {
			return err
		}
	}
	s.hot, err = prepareHot(ctx, s.reader)
	return err
}

// probe looks at the file on a connection that can't write, before anything is changed in it.
func probe(ctx context.Context, dsn string) (err error) {
	db, err := openPool(ctx, dsn, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	t, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // of one moment: another process may be making the same file
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // it was read
	is, err := schemaOf(ctx, t)
	if err != nil {
		return err
	}
	if err := is.Refuse(len(allMigrations())); err != nil {
		return err
	}
	if is.Version > 0 {
		return nil
	}
	var tables int
	if err := t.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return errForeign
	}
	return nil
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.run(ctx, s.reader, &sql.TxOptions{ReadOnly: true}, s.hot, nil, fn)
}

func (s *Store) run(ctx context.Context, db *sql.DB, opts *sql.TxOptions, stmts map[string]*sql.Stmt, again *prepared, fn func(store.Tx) error) error {
	t, err := db.BeginTx(ctx, opts)
	if err != nil {
		return s.fault(ctx, err)
	}
	defer func() { _ = t.Rollback() }() // answers ErrTxDone after a commit
	if err := fn(newTx(ctx, t, stmts, again)); err != nil {
		return s.fault(ctx, err)
	}
	if err := t.Commit(); err != nil {
		return s.fault(ctx, err)
	}
	return nil
}

// fault says that the context ended where that is why err came, and explains what SQLite answered.
func (s *Store) fault(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		return fmt.Errorf("%w: %w", ctxErr, err)
	}
	return explain(s.path, err)
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	const read, write = `SELECT at FROM readiness WHERE id = 1`, `UPDATE readiness SET at = at + 1 WHERE id = 1`
	var at int64
	if err := s.reader.QueryRowContext(ctx, read).Scan(&at); err != nil {
		return s.fault(ctx, err)
	}
	if _, err := s.writer.ExecContext(ctx, write); err != nil {
		return s.fault(ctx, err)
	}
	return nil
}

// Close implements store.Store. It waits for the transactions that run.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} { // the writer last: it moves the log into the file
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
