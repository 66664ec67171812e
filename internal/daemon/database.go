package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

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

// parseDatabase reads the URL of a PostgreSQL database. Arguments are there for everybody on the machine to see, so that a password
// among them is refused.
func parseDatabase(raw string) (postgres.Config, error) {
	if u, err := url.Parse(raw); err == nil {
		_, inUser := u.User.Password()
		if inUser || u.Query().Has("password") {
			e := cliutil.UsageError("--database holds a password, which others on this machine could read")
			e.Hint = "leave it out of the URL; put it in ~/.pgpass or the variable PGPASSWORD"
			return postgres.Config{}, e
		}
	}
	c, err := postgres.Parse(raw)
	if err != nil {
		return c, cliutil.UsageError("--database: %s", cliutil.Printable(err.Error()))
	}
	return c, nil
}

// openStore opens the database and the material that goes with it: the file in the data directory, or the server that the URL names.
func openStore(ctx context.Context, dir dataDir, database string, cfg core.Config) (db store.Store, m core.Material, err error) {
	if database == "" {
		if m, err = dir.material(); err != nil {
			return nil, m, err
		}
		if db, err = sqlite.Open(ctx, dir.database()); err != nil {
			return nil, m, unusableStore(err)
		}
		if db, err = logRevocations(ctx, dir, db, cfg); err != nil {
			return nil, m, err
		}
		return db, m, nil
	}
	c, err := parseDatabase(database)
	if err != nil {
		return nil, m, err
	}
	if db, err = postgres.Open(ctx, c); err != nil {
		return nil, m, unusableStore(err)
	}
	if m, err = sharedMaterial(ctx, dir, db); err != nil {
		return nil, m, errors.Join(err, db.Close())
	}
	return db, m, nil
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

// sharedMaterial reads the material of a database that is elsewhere, and makes it while that has none.
func sharedMaterial(ctx context.Context, dir dataDir, db store.Store) (core.Material, error) {
	var known []store.Material
	err := db.View(ctx, func(tx store.Tx) (err error) {
		known, err = tx.Materials()
		return err
	})
	if err != nil {
		return core.Material{}, unusableStore(err)
	}
	for _, name := range []string{masterFile, pepperFile} {
		if _, err := os.Stat(dir.file(name)); errors.Is(err, os.ErrNotExist) && len(known) > 0 {
			return core.Material{}, &cliutil.Error{
				Code: "material-missing", Exit: cliutil.ExitFailed, Err: err,
				Message: fmt.Sprintf("%s is missing, but the database was made with it", dir.file(name)),
				Hint:    "copy master.key and pepper.key from the data directory of another replica",
			}
		}
	}
	return dir.readMaterial(len(known) == 0)
}

// unusableStore says why a database can't be opened, and what to do.
func unusableStore(err error) error {
	for _, known := range []struct {
		is         error
		code, hint string
	}{
		{store.ErrNewerSchema, "newer-schema", "run the version of keyfobd that made it, or a newer one"},
		{store.ErrUnreachable, "database-unreachable", "start the database, or check host and port of --database"},
		{store.ErrReadOnly, "database-read-only", "give --database the primary server, not a standby"},
		{store.ErrRefused, "database-refused", "check user, password (~/.pgpass, PGPASSWORD) and database of --database"},
	} {
		if errors.Is(err, known.is) {
			return &cliutil.Error{Code: known.code, Exit: cliutil.ExitFailed, Err: err, Message: cliutil.Printable(err.Error()), Hint: known.hint}
		}
	}
	return fmt.Errorf("open the store: %w", err)
}
