package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/keyfob/keyfob/internal/store"
)

// ErrNoAccess says that this user may not read the files of a database, or not write them.
var ErrNoAccess = errors.New("the file, those beside it that end with -wal and -shm, and the folder must be writable")

var errForeign = errors.New("it is a database of another program")

// primary returns SQLite's primary result code of err (https://sqlite.org/rescode.html), or 0.
func primary(err error) int {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return 0
	}
	return e.Code() & 0xff
}

func isBusy(err error) bool {
	code := primary(err)
	return code == lib.SQLITE_BUSY || code == lib.SQLITE_LOCKED
}

// explain adds to SQLite's answer which database it is about and, where it is known, what is wrong with it.
func explain(path string, err error) error {
	if _, ok := errors.AsType[*sqlite.Error](err); !ok {
		if errors.Is(err, store.ErrNewerSchema) || errors.Is(err, store.ErrOlderSchema) || errors.Is(err, errForeign) {
			return fmt.Errorf("database %s: %w", path, err)
		}
		return err
	}
	switch primary(err) {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("database %s: %w: %w", path, store.ErrBusy, err)
	case lib.SQLITE_NOTADB:
		return unavailable(path, "the file is not an SQLite database", err)
	case lib.SQLITE_CORRUPT:
		return unavailable(path, "the file is damaged", err)
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return fmt.Errorf("%w (%s): %w: %w", store.ErrUnavailable, path, ErrNoAccess, err)
	case lib.SQLITE_FULL:
		return unavailable(path, "the disk is full", err)
	case lib.SQLITE_IOERR:
		return unavailable(path, "the disk failed", err)
	}
	return fmt.Errorf("database %s: %w", path, err)
}

func unavailable(path, why string, err error) error {
	return fmt.Errorf("%w (%s): %s: %w", store.ErrUnavailable, path, why, err)
}

// rowError translates what a statement on rows answers into the errors of package store.
func rowError(what string, err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	case ok && (e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY):
		return fmt.Errorf("%s: %w", what, store.ErrExists) // SQLite's own text names columns alone; it adds nothing
	}
	return fmt.Errorf("%s: %w", what, err)
}
