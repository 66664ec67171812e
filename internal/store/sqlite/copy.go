package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"modernc.org/sqlite"

	"github.com/keyfob/keyfob/internal/store"
)

// copyPages are copied before the context is looked at: 16 MiB.
const copyPages = 4096

// Copy copies the database at from, which others may be writing to, into the empty file at to: all of one moment, whole, with a note
// in it, and without a log beside it. moment is called while nobody writes, and what it returns becomes the note. Writers wait for
// moment alone.
func Copy(ctx context.Context, from, to string, moment func(schema int) (note string, err error)) (err error) {
	defer func() { err = explain(from, err) }()
	if err := probe(ctx, from); err != nil {
		return err
	}
	source, err := openPool(ctx, dsn(from, url.Values{"_pragma": {"busy_timeout(5000)"}}), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	conn, err := source.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	note, err := readMoment(ctx, conn, from, moment)
	if err != nil {
		return err
	}
	if err := copyTo(ctx, conn, to); err != nil {
		return explain(to, err)
	}
	if _, err := conn.ExecContext(ctx, `ROLLBACK`); err != nil {
		return err
	}
	return explain(to, finishCopy(ctx, to, note))
}

// readMoment begins to read while another connection keeps writers out.
func readMoment(ctx context.Context, conn *sql.Conn, path string, moment func(schema int) (string, error)) (note string, err error) {
	guard, err := openPool(ctx, dsn(path, url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(5000)"}}), 1)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, guard.Close()) }()
	t, err := guard.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, t.Rollback()) }()
	if _, err := conn.ExecContext(ctx, `BEGIN`); err != nil {
		return "", err
	}
	is, err := schemaOf(ctx, conn) // the first read is what the moment is of
	if err != nil {
		return "", err
	}
	return moment(is.Version)
}

// copyTo copies page by page. The open transaction of conn is what is copied (https://sqlite.org/c3ref/backup_finish.html).
func copyTo(ctx context.Context, conn *sql.Conn, to string) error {
	return conn.Raw(func(driver any) error {
		c, ok := driver.(interface {
			NewBackup(uri string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("the driver makes no copies")
		}
		// What is copied is synced when it is finished; a copy that is not finished is thrown away.
		b, err := c.NewBackup(dsn(to, url.Values{"_pragma": {"synchronous(OFF)", "journal_mode(OFF)"}}))
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			if err = ctx.Err(); err == nil {
				more, err = b.Step(copyPages)
			}
		}
		return errors.Join(err, b.Finish())
	})
}

const noteTable = `CREATE TABLE backup_note (id INTEGER PRIMARY KEY CHECK (id = 1), note TEXT NOT NULL) STRICT`

// finishCopy writes the note and looks at every page.
func finishCopy(ctx context.Context, path, note string) (err error) {
	db, err := openPool(ctx, dsn(path, url.Values{"_pragma": {"journal_mode(DELETE)", "synchronous(FULL)"}}), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, q := range []string{`DROP TABLE IF EXISTS backup_note`, noteTable} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO backup_note (id, note) VALUES (1, $1)`, note); err != nil {
		return err
	}
	return sound(ctx, db)
}

// Note looks at every page of a copy and returns the note in it.
func Note(ctx context.Context, path string) (note string, err error) {
	defer func() { err = explain(path, err) }()
	if size(path) == 0 {
		return "", fmt.Errorf("%s: the file is empty", path)
	}
	if err := probe(ctx, path); err != nil {
		return "", err
	}
	db, err := openPool(ctx, probeDSN(path), 1)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := sound(ctx, db); err != nil {
		return "", err
	}
	var has bool
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'backup_note'`).Scan(&has); err != nil {
		return "", err
	}
	if !has {
		return "", fmt.Errorf("%s: it is a database of Keyfob, but no backup", path)
	}
	err = db.QueryRowContext(ctx, `SELECT note FROM backup_note WHERE id = 1`).Scan(&note)
	return note, err
}

// DropNote makes an ordinary database of a copy.
func DropNote(ctx context.Context, path string) (err error) {
	db, err := openPool(ctx, dsn(path, url.Values{"_pragma": {"synchronous(FULL)"}}), 1)
	if err != nil {
		return explain(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `DROP TABLE IF EXISTS backup_note`)
	return explain(path, err)
}

// sound has SQLite look at every page, and at every reference.
func sound(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: the file is damaged: %s", store.ErrUnavailable, verdict)
	}
	rows, err := db.QueryContext(ctx, `PRAGMA foreign_key_check`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	if rows.Next() {
		return fmt.Errorf("%w: the file is damaged: a row refers to one that is not there", store.ErrUnavailable)
	}
	return rows.Err()
}
