package userfile

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// Tx is a set of changes that is made as a whole. One process at a time has one of a Store.
type Tx struct {
	// Recovered names the files that an earlier process, which died halfway, had changed and that were put back now.
	Recovered []string

	store   Store
	lock    *flock.Flock
	changes []*change
}

// How is the way in which a file is written.
type How struct {
	// Private files end with no more permissions than 0600.
	Private bool
	// Keep makes a pristine copy of what stands there now, over one from before.
	Keep bool
	// Mode, if it is not 0, are the permissions that the file gets back.
	Mode fs.FileMode
}

// Begin waits for the Store's lock, 10 s at most, and puts back what a process that died halfway had changed. The Tx has
// to be closed. Errors are *Error.
func (s Store) Begin(ctx context.Context) (*Tx, error) {
	if err := os.MkdirAll(s.Dir, folderMode); err != nil {
		return nil, fail(s.Dir, err, "set KEYFOB_CONFIG_DIR to a folder you can write")
	}
	lock := flock.New(filepath.Join(s.Dir, "lock"), flock.SetPermissions(fileMode))
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := lock.TryLockContext(wait, 5*time.Millisecond); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = ErrBusy
		}
		return nil, fail(s.Dir, err, "try again when it is done")
	}
	tx := &Tx{store: s, lock: lock}
	if err := tx.recover(ctx); err != nil {
		tx.Close()
		return nil, err
	}
	return tx, nil
}

// Close ends the Tx. Changes that were not committed are forgotten.
func (tx *Tx) Close() { _ = tx.lock.Close() }

// Read returns the file as the Tx will leave it.
func (tx *Tx) Read(path string) (File, error) {
	f, err := Read(path)
	if err != nil {
		return f, err
	}
	if c := tx.change(f.target); c != nil {
		f = c.file
		f.Path, f.Data, f.Exists = path, c.data, !c.remove
	}
	return f, nil
}

func (tx *Tx) change(target string) *change {
	for _, c := range tx.changes {
		if c.file.target == target {
			return c
		}
	}
	return nil
}

// Write has the file hold data.
func (tx *Tx) Write(f File, data []byte, how How) {
	c := tx.staged(f)
	c.data, c.remove, c.keep = data, false, c.keep || how.Keep
	switch {
	case how.Mode != 0:
		c.mode = how.Mode
	case how.Private:
		c.mode &= fileMode
	}
}

// Remove has the file go, and after it the folders that were made for it and are empty.
func (tx *Tx) Remove(f File, made []string) {
	c := tx.staged(f)
	c.data, c.remove, c.made = nil, true, made
}

func (tx *Tx) staged(f File) *change {
	if c := tx.change(f.target); c != nil {
		return c
	}
	mode := f.Mode()
	if mode == 0 {
		mode = fileMode
	}
	// What the file held when it was first read in the Tx is what it must hold until it is replaced.
	tx.changes = append(tx.changes, &change{file: f, mode: mode})
	return tx.changes[len(tx.changes)-1]
}

// Commit makes the changes, all or none, and records them as the last ones, which what describes. After an error every file
// is as it was, or another program's: then the error names it. ErrChanged: somebody else changed a file meanwhile; the work
// has to begin again with a new Read. The Record is empty where there was nothing to change.
func (tx *Tx) Commit(ctx context.Context, what string) (Record, error) {
	tx.changes = slices.DeleteFunc(tx.changes, func(c *change) bool {
		if c.remove {
			return !c.file.Exists
		}
		return c.file.Exists && c.sum() == c.file.sum && c.mode == c.file.Mode()
	})
	if len(tx.changes) == 0 {
		return Record{}, nil
	}
	r := tx.record(what)
	if err := tx.store.begin(r, tx.changes); err != nil {
		return Record{}, err
	}
	if err := tx.keepCopies(); err != nil {
		return Record{}, tx.store.rollBack(ctx, r, err)
	}
	for _, c := range tx.changes {
		if err := c.apply(ctx); err != nil {
			return Record{}, tx.store.rollBack(ctx, r, err)
		}
	}
	r.State = stateDone
	if err := tx.store.write(r); err != nil {
		return Record{}, tx.store.rollBack(ctx, r, err)
	}
	for _, c := range tx.changes {
		if c.remove {
			removeFolders(c.made)
		}
	}
	tx.changes = nil
	return r, nil
}

// keepCopies makes the pristine copies.
func (tx *Tx) keepCopies() error {
	for _, c := range tx.changes {
		if !c.keep || !c.file.Exists {
			continue
		}
		original, err := Read(c.file.Path)
		if err != nil {
			return err
		}
		if err := tx.store.save(tx.store.Copy(c.file.target), original.Data); err != nil {
			return err
		}
	}
	return nil
}

func (s Store) copies() string { return filepath.Join(s.Dir, "pristine") }

// Copy returns where the pristine copy of a file lies, once it was made.
func (s Store) Copy(path string) string {
	if target, err := resolve(path); err == nil {
		path = target
	}
	digest := sha256.Sum256([]byte(path))
	return filepath.Join(s.copies(), fmt.Sprintf("%x-%s", digest[:8], filepath.Base(path)))
}

// rollBack puts back what was changed; err is why. What can't be put back is named beside it.
func (s Store) rollBack(ctx context.Context, r Record, err error) error {
	if _, left := s.putBack(context.WithoutCancel(ctx), r); left != nil {
		return errors.Join(err, left)
	}
	return err
}

// recover ends what a process that died left halfway.
func (tx *Tx) recover(ctx context.Context) error {
	r, err := tx.store.read()
	if err != nil || r.State != stateOpen {
		return err
	}
	tx.store.sweep(ctx, r)
	tx.Recovered, err = tx.store.putBack(ctx, r)
	return err
}
