package daemon

import (
	"context"
	"errors"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/migrate"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

// MigrateStoreOptions is all that migrateStoreRun needs.
type MigrateStoreOptions struct {
	DataDir  string
	Database string // the URL of a PostgreSQL database

	Output *cliutil.Output
}

// migrateStoreRun copies the database of a data directory that is not served into an empty PostgreSQL database, and compares them.
func migrateStoreRun(ctx context.Context, opts *MigrateStoreOptions) (err error) {
	if opts.Database == "" {
		return cliutil.UsageError("--database is required: the URL of an empty PostgreSQL database")
	}
	config, err := parseDatabase(opts.Database)
	if err != nil {
		return err
	}
	dir, err := existingDataDir(opts.DataDir)
	if err != nil {
		return err
	}
	unlock, err := dir.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	from, err := sqlite.OpenSnapshot(ctx, dir.database())
	if err != nil {
		return unusableStore(err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if _, err := dir.material(false); err != nil { // a copy without the key files would open nothing
		return err
	}
	to, err := postgres.Open(ctx, config)
	if err != nil {
		return unusableStore(err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	tables, err := migrate.Copy(ctx, from, to, func(t migrate.Table) {
		opts.Output.Note("%s: %d rows copied and compared", t.Name, t.Rows)
	})
	if err != nil {
		return notCopied(err)
	}
	return sayMigrated(opts.Output, config.Name(), dir, tables)
}

func notCopied(err error) error {
	for _, known := range []struct {
		is         error
		code, hint string
		exit       cliutil.Exit
	}{
		{store.ErrNotEmpty, "database-not-empty", "name an empty database; if an earlier migrate-store lost its connection at the end, " +
			"all was copied: look with keyfobd status --database URL", cliutil.ExitConflict},
		{store.ErrUnknown, "outcome-unknown", "run it again: if it says that the database is not empty, all was copied", cliutil.ExitFailed},
		{migrate.ErrDiffer, "copy-differs", "nothing was copied, and the data directory is as it was: report this", cliutil.ExitFailed},
	} {
		if errors.Is(err, known.is) {
			return &cliutil.Error{Code: known.code, Exit: known.exit, Err: err, Message: cliutil.Printable(err.Error()), Hint: known.hint}
		}
	}
	return unusableStore(err)
}

func sayMigrated(out *cliutil.Output, database string, dir dataDir, tables []migrate.Table) error {
	var rows, columns int64
	for _, t := range tables {
		rows, columns = rows+t.Rows, columns+int64(t.Columns)
	}
	if out.Structured() {
		return out.Object(struct {
			Database string          `json:"database"`
			DataDir  string          `json:"data_dir"`
			Rows     int64           `json:"rows"`
			Tables   []migrate.Table `json:"tables"`
		}{database, string(dir), rows, tables})
	}
	if err := out.Line("copied %d rows of %d tables into %s, and compared all %d columns of every row: they are the same",
		rows, len(tables), cliutil.Printable(database), columns); err != nil {
		return err
	}
	out.Note("serve it with --database and the two key files of %s; %s there is as it was: keep it as a backup, and serve it no more", dir, databaseFile)
	return nil
}
