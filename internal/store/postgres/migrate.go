package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/schema"
)

// migrations are read by package schema, which says what they are.
//
//go:embed migrations/*.sql
var migrations embed.FS

func allMigrations() []schema.Migration {
	return schema.Read(append([]fs.FS{migrations}, nextMigrations()...)...)
}

const codeTableExists = "42P07"

const (
	// lockFor is how long a migration waits for a table at a time: what others ask of that table waits behind it, the renewal of leases
	// among it. Then it lets them go first, and tries again.
	lockFor   = 500 * time.Millisecond
	lockPause = 250 * time.Millisecond
	// servedFor is after how long without a renewal no replica runs that a migration could be in the way of.
	servedFor = 5 * time.Second
)

// schemaOf returns what the database says of its schema; zero: it is empty.
func schemaOf(ctx context.Context, conn *pgx.Conn) (is schema.Applied, err error) {
	var tables, ours int
	const count = `SELECT count(*), count(*) FILTER (WHERE tablename IN ('schema_migrations', 'key_changes', 'readiness'))
		FROM pg_tables WHERE schemaname = current_schema()` // information_schema leaves out what the user has no right to
	if err := conn.QueryRow(ctx, count).Scan(&tables, &ours); err != nil {
		return is, err
	}
	switch {
	case tables == 0:
		return is, nil
	case ours < 3: // schema_migrations is a name that many use
		return is, errForeign
	}
	err = conn.QueryRow(ctx, `SELECT coalesce(max(version), 0), coalesce(max(since), 0) FROM schema_migrations`).Scan(&is.Version, &is.Since)
	return is, err
}

func migrate(ctx context.Context, conn *pgx.Conn) error { return migrateTo(ctx, conn, allMigrations()) }

// migrateTo applies what is missing, each migration in a transaction of its own.
func migrateTo(ctx context.Context, conn *pgx.Conn, all []schema.Migration) error {
	is, err := schemaOf(ctx, conn)
	if err != nil {
		return err
	}
	if err := is.Refuse(len(all)); err != nil {
		return err
	}
	for is.Version < len(all) {
		next := all[is.Version]
		applied := apply(ctx, conn, is.Version+1, next)
		code := state(applied)
		if applied != nil && code != codeUnique && code != codeTableExists && code != codeLockTimeout { // those: another process is at it
			return fmt.Errorf("migration %s: %w", next.Name, applied)
		}
		now, err := schemaOf(ctx, conn)
		if err != nil {
			return err
		}
		if now.Version > is.Version {
			is = now
			continue
		}
		if code != codeLockTimeout { // there is something else of that name
			return fmt.Errorf("migration %s: %w: %w", next.Name, store.ErrUnfit, applied)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return fmt.Errorf("migration %s: %w", next.Name, applied)
		}
	}
	return nil
}

// apply runs one migration. Who else is at it waits for our row of schema_migrations, or for the table, and then finds them there.
func apply(ctx context.Context, conn *pgx.Conn, version int, m schema.Migration) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(t pgx.Tx) error {
		script := fmt.Sprintf("SET LOCAL lock_timeout = %d; SET LOCAL statement_timeout = %d;", lockFor.Milliseconds(), openTimeout.Milliseconds())
		if version == 1 {
			script += `CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL, since BIGINT NOT NULL);`
		}
		if _, err := t.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		const record = `INSERT INTO schema_migrations (version, name, applied_at, since) VALUES ($1, $2, $3, $4)`
		if _, err := t.Exec(ctx, record, version, m.Name, time.Now().UnixMicro(), m.Since); err != nil {
			return err
		}
		if m.Since == version && version > 1 {
			if err := endOlder(ctx, t); err != nil {
				return err
			}
		}
		_, err := t.Exec(ctx, m.Text, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}

// endOlder refuses a migration that no older program may run beside while a replica runs, and has those that come back join again,
// which AddReplica refuses.
func endOlder(ctx context.Context, t pgx.Tx) error {
	if _, err := t.Exec(ctx, `LOCK TABLE replicas IN EXCLUSIVE MODE`); err != nil {
		return err
	}
	var serving int
	const live = `SELECT count(*) FROM replicas WHERE seen_at > ` + now + ` - $1`
	if err := t.QueryRow(ctx, live, servedFor.Microseconds()).Scan(&serving); err != nil {
		return err
	}
	if serving > 0 {
		return fmt.Errorf("%w: %d of them", store.ErrServed, serving)
	}
	_, err := t.Exec(ctx, `DELETE FROM replicas`)
	return err
}
