package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/keyfob/keyfob/internal/store/schema"
)

// migrations are read by package schema, which says what they are.
//
//go:embed migrations/*.sql
var migrations embed.FS

func allMigrations() []schema.Migration {
	return schema.Read(append([]fs.FS{migrations}, nextMigrations()...)...)
}

// saysSince is the migration from which on a database says which programs may run on it.
const saysSince = 13

// sinceOf is what a row of schema_migrations says of that; those before said nothing.
const sinceOf = `coalesce(nullif(since, 0), version)`

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaOf returns what the database says of its schema; zero: it has none.
func schemaOf(ctx context.Context, q queryer) (is schema.Applied, err error) {
	var known, says bool
	const columns = `SELECT count(*) > 0, count(*) FILTER (WHERE name = 'since') > 0 FROM pragma_table_info('schema_migrations')`
	err = q.QueryRowContext(ctx, columns).Scan(&known, &says)
	if err != nil || !known {
		return is, err
	}
	if says {
		err = q.QueryRowContext(ctx, `SELECT coalesce(max(version), 0), coalesce(max(`+sinceOf+`), 0) FROM schema_migrations`).Scan(&is.Version, &is.Since)
		return is, err
	}
	err = q.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations`).Scan(&is.Version)
	is.Since = is.Version // it did not say yet
	return is, err
}

// migrate applies what is missing, each migration in a transaction of its own. BEGIN IMMEDIATE keeps a second process that
// opens the file waiting; it then finds the work done.
func migrate(ctx context.Context, db *sql.DB) error {
	for i, m := range allMigrations() {
		if err := apply(ctx, db, i+1, m); err != nil {
			return fmt.Errorf("migration %s: %w", m.Name, err)
		}
	}
	return nil
}

func apply(ctx context.Context, db *sql.DB, version int, m schema.Migration) (err error) {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Rollback())
		}
	}()
	done, err := schemaOf(ctx, t)
	if err != nil {
		return err
	}
	if done.Version >= version {
		return t.Rollback()
	}
	if version == 1 {
		const record = `CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`
		if _, err = t.ExecContext(ctx, record); err != nil {
			return err
		}
	}
	if _, err = t.ExecContext(ctx, m.Text); err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, `INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)`, version, m.Name, time.Now().UnixMicro())
	if err != nil {
		return err
	}
	if version >= saysSince {
		if _, err = t.ExecContext(ctx, `UPDATE schema_migrations SET since = $2 WHERE version = $1`, version, m.Since); err != nil {
			return err
		}
	}
	return t.Commit()
}
