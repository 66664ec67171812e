package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/atomicfile"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/revoked"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

// restore is a restore that goes on. The database gets its name last: a directory in which one ended half-way has its keys and no
// database, and is not served.
type restore struct {
	opts *RestoreOptions
	dir  dataDir
	note backupNote

	keys     core.Material
	keysFrom dataDir
	logFile  string           // what history was read from; empty: nothing
	history  *revoked.History // nil: nothing is replayed
	revoked  []store.LoggedRevocation
	replayed int
	work     string // folder in dir with the database; empty: not made
	aside    []string
}

// readNote looks through a backup.
func readNote(ctx context.Context, file string) (note backupNote, err error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	text := ""
	if err == nil {
		text, err = sqlite.Note(ctx, file)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &note)
	}
	if err == nil {
		return note, nil
	}
	e := &cliutil.Error{
		Code: "backup-unusable", Exit: cliutil.ExitFailed, Err: err,
		Message: fmt.Sprintf("%s is no backup that can be restored: %s", cliutil.Printable(file), err), Hint: "take another backup",
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Exit, e.Hint = cliutil.ExitNotFound, "name the FILE that a backup has written"
	case errors.Is(err, store.ErrNewerSchema):
		e.Code, e.Hint = "newer-schema", "restore it with the version of keyfobd that made it, or a newer one"
	}
	return note, e
}

// checkDir refuses a directory that holds anything but the keys and a log, unless its database is to be set aside.
func (r *restore) checkDir(context.Context) error {
	left, err := filepath.Glob(r.dir.file(".restore-*"))
	if err != nil {
		return r.dir.unusable(err)
	}
	for _, path := range left { // of one that was killed; it held the lock that is ours now
		if err := os.RemoveAll(path); err != nil {
			return r.dir.unusable(err)
		}
	}
	entries, err := os.ReadDir(string(r.dir))
	if err != nil || r.opts.Force {
		return err
	}
	expected := []string{masterFile, pepperFile, lockFile, revocationsFile, revocationsFile + ".lock"}
	key := func(name string) bool {
		return slices.ContainsFunc(kindFiles(), func(pattern string) bool {
			match, _ := filepath.Match(pattern, name) // the patterns are well-formed
			return match
		})
	}
	for _, e := range entries {
		if !key(e.Name()) && !slices.Contains(expected, e.Name()) {
			return &cliutil.Error{
				Code: "data-dir-not-empty", Exit: cliutil.ExitConflict,
				Message: fmt.Sprintf("%s holds %s already", r.dir, cliutil.Printable(e.Name())),
				Hint:    "restore into another directory, or with --force, which sets a database that is there aside",
			}
		}
	}
	return nil
}

// readKeys reads the key files and refuses those that would take the place of others.
func (r *restore) readKeys(context.Context) error {
	from := r.dir
	if r.opts.KeysFrom != "" {
		path, err := filepath.Abs(r.opts.KeysFrom)
		if err != nil {
			return fmt.Errorf("--keys-from: %w", err)
		}
		from = dataDir(path)
	}
	for name, into := range r.keyFiles() {
		key, err := from.readKey(name)
		if missing, ok := errors.AsType[*cliutil.Error](err); ok && missing.Code == "material-missing" {
			missing.Message = fmt.Sprintf("%s is missing: the backup opens with %s and %s alone", from.file(name), masterFile, pepperFile)
			missing.Hint = "put both there, or name the folder that has them with --keys-from"
		}
		if err != nil {
			return err
		}
		*into = key
		if there, err := r.dir.parseKey(name); err == nil && there != key {
			return &cliutil.Error{
				Code: "material-wrong", Exit: cliutil.ExitConflict,
				Message: fmt.Sprintf("%s is another key than %s", r.dir.file(name), from.file(name)),
				Hint:    "move it away first; a database that needs it is lost without it",
			}
		}
	}
	var err error
	if r.keys.Others, err = from.others(masterKind()); err != nil {
		return err
	}
	r.keys.OtherPeppers, err = from.others(pepperKind())
	r.keysFrom = from
	return err
}

func (r *restore) keyFiles() map[string]*[32]byte {
	return map[string]*[32]byte{masterFile: &r.keys.MasterKey, pepperFile: &r.keys.Pepper}
}

// readLog reads what was revoked since the backup.
func (r *restore) readLog(context.Context) error {
	path := r.opts.Revocations
	if path == "" {
		path = r.dir.file(revocationsFile)
	}
	history, err := revoked.Read(path)
	if err == nil {
		r.revoked, err = history.After(r.note.Revocations)
	}
	if err == nil {
		r.history, r.logFile = history, path
		return nil
	}
	if r.opts.Accept {
		_, err := fmt.Fprintln(r.opts.ErrOut, "warning: nothing is replayed: "+err.Error())
		return err
	}
	e := &cliutil.Error{
		Code: "revocations-unusable", Exit: cliutil.ExitConflict, Err: err,
		Message: "what was revoked since the backup would open again: " + err.Error(),
		Hint:    "give the service's own log with --revocations; if there is none any more, say --accept-resurrection and look through all keys",
	}
	if errors.Is(err, fs.ErrNotExist) {
		e.Code, e.Message = "revocations-missing", "what was revoked since the backup would open again: there is no "+path
	}
	return e
}

// build makes the database in a folder of its own.
func (r *restore) build(ctx context.Context) (err error) {
	if r.work, err = os.MkdirTemp(string(r.dir), ".restore-*"); err != nil {
		return r.dir.unusable(err)
	}
	path := filepath.Join(r.work, databaseFile)
	if err := copyFile(ctx, r.opts.File, path); err != nil {
		return r.dir.unusable(err)
	}
	if err := sqlite.DropNote(ctx, path); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return fmt.Errorf("open the restored database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	service, err := core.New(core.Config{Store: db, Material: r.keys, Where: r.keysFrom.where, Brief: true, Now: r.opts.Now}) //nolint:contextcheck // it is closed below
	if missing, ok := errors.AsType[*core.MissingMaterial](err); ok {
		return &cliutil.Error{
			Code: "material-wrong", Exit: cliutil.ExitFailed, Err: err,
			Message: fmt.Sprintf("the key files are not those that the backup was made with: it needs the %s %s, but %s",
				missing.Kind, missing.ID, missing.Where),
			Hint: "name the folder that has it with --keys-from",
		}
	}
	if err != nil {
		return fmt.Errorf("open the restored database: %w", err)
	}
	defer func() { err = errors.Join(err, service.Close(ctx)) }()
	if r.history != nil {
		r.replayed, err = service.Replay(ctx, r.revoked)
	}
	return err
}

func copyFile(ctx context.Context, from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, readerUntil{ctx, in})
	return errors.Join(err, out.Sync(), out.Close())
}

// readerUntil reads until the context ends.
type readerUntil struct {
	ctx context.Context // of one copy
	io.Reader
}

func (r readerUntil) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

func (r *restore) putKeys(context.Context) error {
	for name, key := range r.keyFiles() {
		if _, err := os.Lstat(r.dir.file(name)); err == nil {
			continue
		}
		if err := r.dir.writeKey(name, *key); err != nil {
			return err
		}
	}
	for _, of := range []struct {
		kind keyKind
		keys [][32]byte
	}{{masterKind(), r.keys.Others}, {pepperKind(), r.keys.OtherPeppers}} {
		for _, key := range of.keys {
			if err := r.dir.writeKey(of.kind.named(of.kind.id(key)), key); err != nil {
				return err
			}
		}
	}
	return nil
}

// putLog has the directory's log go on where the given one ends. One that can't be replayed is set aside.
func (r *restore) putLog(ctx context.Context) error {
	own := r.dir.file(revocationsFile)
	if !sameFile(own, r.logFile) {
		if err := r.setAside(own); err != nil {
			return err
		}
	}
	if r.history == nil {
		return nil
	}
	if !sameFile(own, r.logFile) {
		text, err := os.ReadFile(r.logFile)
		if err == nil {
			err = atomicfile.Write(own, text, 0o600)
		}
		if err != nil {
			return r.dir.unusable(err)
		}
	}
	log, err := revoked.Open(ctx, own, r.opts.Now)
	if err != nil {
		return err
	}
	_, err = log.Append(ctx, []store.Revocation{{What: store.RevocationRestored, Of: r.note.Revocations.N}})
	return err
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, other)
}

func (r *restore) putDatabase(context.Context) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := r.setAside(r.dir.database() + suffix); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(r.work, databaseFile), r.dir.database()); err != nil {
		return r.dir.unusable(err)
	}
	return r.dir.sync()
}

// setAside renames a file that is there: keyfob.db-wal to keyfob.db.before-restore-…-wal, as SQLite looks for it.
func (r *restore) setAside(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	base, suffix := path, ""
	if rest, ok := strings.CutPrefix(path, r.dir.database()); ok {
		base, suffix = r.dir.database(), rest
	}
	to := base + ".before-restore-" + r.opts.Now().UTC().Format("20060102T150405.000") + suffix
	if err := os.Rename(path, to); err != nil {
		return r.dir.unusable(err)
	}
	r.aside = append(r.aside, to)
	return nil
}

func (r *restore) clean() error {
	if r.work == "" {
		return nil
	}
	return os.RemoveAll(r.work)
}
