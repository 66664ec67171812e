package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/revoked"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

const databaseUsage = "`URL` of a PostgreSQL database that several services share (default: a file in the data directory)"

// databaseFlag adds --database.
func databaseFlag(flags *pflag.FlagSet, into *string) {
	flags.StringVar(into, "database", "", databaseUsage)
}

// parseDatabase reads the URL of a PostgreSQL database that --database gives.
func parseDatabase(raw string) (postgres.Config, error) {
	c, err := databaseOf(raw)
	if refusal, ok := errors.AsType[*cliutil.Error](err); ok {
		refusal.Message = "--database: " + refusal.Message
	}
	return c, err
}

// databaseOf is parseDatabase for who says himself where the URL stands. Arguments are there for everybody on the machine to see, so
// that a password among them is refused.
func databaseOf(raw string) (postgres.Config, error) {
	if u, err := url.Parse(raw); err == nil {
		_, inUser := u.User.Password()
		if inUser || u.Query().Has("password") {
			e := cliutil.UsageError("it holds a password, which others on this machine could read")
			e.Hint = "leave it out of the URL; put it in ~/.pgpass or the variable PGPASSWORD"
			return postgres.Config{}, e
		}
	}
	c, err := postgres.Parse(raw)
	if err != nil {
		return c, cliutil.UsageError("%s", cliutil.Printable(err.Error()))
	}
	return c, nil
}

// openStore opens the database, the file in the data directory or the server that the URL names, and then the material that goes with
// it.
func openStore(ctx context.Context, dir dataDir, database string, cfg core.Config) (db store.Store, m core.Material, err error) {
	if database == "" {
		if err := dir.checkDatabase(); err != nil {
			return nil, m, err
		}
		db, err = sqlite.Open(ctx, dir.database())
	} else {
		var c postgres.Config
		if c, err = parseDatabase(database); err == nil {
			db, err = postgres.Open(ctx, c)
		}
	}
	if err != nil {
		return nil, m, unusableStore(err)
	}
	if m, err = dir.materialOf(ctx, db); err != nil {
		return nil, m, errors.Join(err, db.Close())
	}
	if database == "" {
		db, err = logRevocations(ctx, dir, db, cfg)
	}
	return db, m, err
}

// logRevocations keeps what is revoked beside the database, for restores.
func logRevocations(ctx context.Context, dir dataDir, db store.Store, cfg core.Config) (store.Store, error) {
	log, err := revoked.Open(ctx, dir.file(revocationsFile), cfg.Now)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return revoked.Wrap(db, log, func(err error) {
		cfg.Log.Warn("a restore will leave a key closed that was opened", "error", err)
	}), nil
}

// unusableStore says why a database can't be opened, and what to do.
func unusableStore(err error) error {
	if _, ok := errors.AsType[*cliutil.Error](err); ok {
		return err
	}
	for _, known := range []struct {
		is         error
		code, hint string
	}{
		{store.ErrNewerSchema, "newer-schema", "run the version of keyfobd that brought it there, or a newer one"},
		{store.ErrOlderSchema, "older-schema", "start this version of keyfobd on it once, which brings it up to date"},
		{store.ErrServed, "older-replicas", "stop every replica, then start this version: no older one can run beside it"},
		{store.ErrCrowded, "database-crowded", "give the database more connections (max_connections), or each replica fewer (pool_max_conns in --database)"},
		{store.ErrUnreachable, "database-unreachable", "start the database, or check host, port and what --database says of TLS (sslmode, sslrootcert)"},
		{store.ErrReadOnly, "database-read-only", "give --database the primary server, not a standby"},
		{store.ErrNoSchema, "database-empty", "check database and search_path of --database; bootstrap, serve or migrate-store makes the tables"},
		{
			store.ErrUnfit, "database-unfit",
			"make a database as docs/scale.md does: UTF8, owned by its user, and empty, on PostgreSQL 13 or newer that syncs what it commits",
		},
		{sqlite.ErrNoAccess, "database-no-access", asItsUser},
		{store.ErrRefused, "database-refused", "check user, password (~/.pgpass, PGPASSWORD) and database of --database"},
	} {
		if errors.Is(err, known.is) {
			return &cliutil.Error{Code: known.code, Exit: cliutil.ExitFailed, Err: err, Message: cliutil.Printable(err.Error()), Hint: known.hint}
		}
	}
	return fmt.Errorf("open the store: %w", err)
}
