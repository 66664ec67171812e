package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
)

// Migrations go forward only. File n of migrations/, by name, makes schema n. Programs of schema n and n+1 run beside each other,
// so a migration adds only what a program of the schema before can leave alone.
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

const codeTableExists = "42P07"

// schemaVersion returns the number of the last migration that was applied; 0: none, and the schema is empty.
func schemaVersion(ctx context.Context, conn *pgx.Conn) (int, error) {
	var tables, ours int
	const count = `SELECT count(*), count(*) FILTER (WHERE table_name IN ('schema_migrations', 'key_changes', 'readiness'))
		FROM information_schema.tables WHERE table_schema = current_schema()`
	if err := conn.QueryRow(ctx, count).Scan(&tables, &ours); err != nil {
		return 0, err
	}
	switch {
	case tables == 0:
		return 0, nil
	case ours < 3: // schema_migrations is a name that many use
		return 0, errForeign
	}
	var version int
	err := conn.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations`).Scan(&version)
	return version, err
}

func newerSchema(version int) error {
	return fmt.Errorf("%w: its schema is %d, this program knows up to %d", store.ErrNewerSchema, version, len(migrationNames()))
}

// migrate applies what is missing, each migration in a transaction of its own.
func migrate(ctx context.Context, conn *pgx.Conn) error {
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	names := migrationNames()
	if version > len(names) {
		return newerSchema(version)
	}
	for version < len(names) {
		err := apply(ctx, conn, version+1, names[version])
		if code := state(err); code == codeUnique || code == codeTableExists { // another process was sooner
			err = nil
		}
		if err != nil {
			return fmt.Errorf("migration %s: %w", names[version], err)
		}
		now, err := schemaVersion(ctx, conn)
		if err != nil {
			return err
		}
		if now <= version {
			return fmt.Errorf("migration %s: %w", names[version], errors.New("it was not applied"))
		}
		version = now
	}
	return nil
}

// apply runs one migration. Who else is at it waits for our row of schema_migrations, or for the table, and then finds them there.
func apply(ctx context.Context, conn *pgx.Conn, version int, name string) error {
	text, err := migrations.ReadFile("migrations/" + name)
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(t pgx.Tx) error {
		script := fmt.Sprintf("SET LOCAL lock_timeout = %[1]d; SET LOCAL statement_timeout = %[1]d;", openTimeout.Milliseconds())
		if version == 1 {
			script += `CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);`
		}
		if _, err := t.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		const record = `INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)`
		if _, err := t.Exec(ctx, record, version, name, time.Now().UnixMicro()); err != nil {
			return err
		}
		_, err := t.Exec(ctx, string(text), pgx.QueryExecModeSimpleProtocol)
		return err
	})
}
