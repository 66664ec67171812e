package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Inspected is an open database that can only be read.
type Inspected struct {
	*Store

	Schema int // of the file
	Known  int // the newest that this program knows
}

// Inspect opens a database that is there, also while others write to it, and changes nothing in it. A file that is no database of
// Keyfob or of a schema that is too new (store.ErrNewerSchema) is refused. Rows can be read unless Schema is below Known.
func Inspect(ctx context.Context, path string) (*Inspected, error) {
	switch info, err := os.Stat(path); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("database %w", err)
	case err != nil || info.Size() == 0: // SQLite would make one
		return nil, fmt.Errorf("database %s: %w", path, fs.ErrNotExist)
	}
	if err := probe(ctx, path); err != nil {
		return nil, explain(path, err)
	}
	db, err := openPool(ctx, readerDSN(path), 1)
	if err != nil {
		return nil, explain(path, err)
	}
	in := &Inspected{Store: &Store{path: path, writer: db, reader: db}, Known: len(allMigrations())}
	is, err := schemaOf(ctx, db)
	if err != nil {
		return nil, errors.Join(explain(path, err), db.Close())
	}
	in.Schema = is.Version
	return in, nil
}

// Settings says what is wrong with how the database is kept.
func (in *Inspected) Settings(ctx context.Context) error { return assertSafe(ctx, in.reader) }

// Sound has SQLite look at every page and every reference.
func (in *Inspected) Sound(ctx context.Context) error { return explain(in.path, sound(ctx, in.reader)) }
