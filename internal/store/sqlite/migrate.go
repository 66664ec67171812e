package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"
)

// Migrations go forward only. File n of migrations/, by name, makes schema n.
//
//go:embed migrations/*.sql
var migrations embed.FS

func migrationNames() []string {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil // can't be: the folder is embedded
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaVersion returns the number of the last migration that was applied; 0: none.
func schemaVersion(ctx context.Context, q queryer) (int, error) {
	var known bool
	err := q.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'`).Scan(&known)
	if err != nil || !known {
		return 0, err
	}
	var version int
	err = q.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations`).Scan(&version)
	return version, err
}

// migrate applies what is missing, each migration in a transaction of its own. BEGIN IMMEDIATE keeps a second process that
// opens the file waiting; it then finds the work done.
func migrate(ctx context.Context, db *sql.DB) error {
	for i, name := range migrationNames() {
		if err := apply(ctx, db, i+1, name); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return nil
}

func apply(ctx context.Context, db *sql.DB, version int, name string) (err error) {
	text, err := migrations.ReadFile("migrations/" + name)
	if err != nil {
		return err
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Rollback())
		}
	}()
	done, err := schemaVersion(ctx, t)
	if err != nil {
		return err
	}
	if done >= version {
		return t.Rollback()
	}
	if version == 1 {
		const record = `CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`
		if _, err = t.ExecContext(ctx, record); err != nil {
			return err
		}
	}
	if _, err = t.ExecContext(ctx, string(text)); err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, `INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)`,
		version, name, time.Now().UnixMicro())
	if err != nil {
		return err
	}
	return t.Commit()
}
