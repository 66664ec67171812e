package userfile

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// change is a new content for a file, or its removal.
type change struct {
	file   File
	data   []byte
	remove bool
	mode   fs.FileMode // of the new file
	keep   bool        // a pristine copy
	made   []string    // folders that were made for it, the outermost first
}

func (c change) sum() Sum { return sha256.Sum256(c.data) }

// apply replaces the file, or makes it, unless it is not what it was when it was read: ErrChanged.
func (c *change) apply(ctx context.Context) (err error) {
	dir := filepath.Dir(c.file.target)
	if !c.remove {
		if c.made, err = makeFolders(dir); err != nil {
			return fail(c.file.Path, err, "check the owner and the mode of the folders above it")
		}
	}
	folder, err := openLocked(ctx, dir)
	if err != nil {
		return fail(c.file.Path, err, "try again when it is done")
	}
	defer func() { _ = folder.Close() }() // unlocks it
	if err := c.unchanged(); err != nil {
		return err
	}
	if c.remove {
		err = os.Remove(c.file.target)
	} else {
		err = c.rename(dir)
	}
	if err != nil {
		if errors.Is(err, ErrChanged) {
			return fail(c.file.Path, err, "run the command again")
		}
		return fail(c.file.Path, err, "check the folder's owner, its mode and the room on its disk")
	}
	if err := syncFolder(folder); err != nil {
		return fail(c.file.Path, err, "")
	}
	return c.verify()
}

// makeFolders makes the missing folders and returns them, the outermost first.
func makeFolders(dir string) ([]string, error) {
	var made []string
	for _, at := range missing(dir) {
		err := os.Mkdir(at, folderMode)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			removeFolders(made)
			return nil, err
		}
		if err == nil {
			made = append(made, at)
		}
	}
	return made, nil
}

func missing(dir string) []string {
	if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
		return nil
	}
	return append(missing(filepath.Dir(dir)), dir)
}

// removeFolders takes away the folders that are empty, the innermost first.
func removeFolders(made []string) {
	for _, dir := range slices.Backward(made) {
		if os.Remove(dir) != nil { // not empty
			return
		}
	}
}

// openLocked opens the folder and waits for its lock.
func openLocked(ctx context.Context, dir string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		locked, err := lockFolder(folder)
		if err != nil || locked {
			if err != nil {
				_ = folder.Close()
				return nil, err
			}
			return folder, nil
		}
		select {
		case <-ctx.Done():
			_ = folder.Close()
			return nil, ErrBusy
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// unchanged compares the file with what was read.
func (c *change) unchanged() error {
	now, err := Read(c.file.Path)
	if err != nil {
		return err
	}
	if now.target != c.file.target || now.Exists != c.file.Exists || now.sum != c.file.sum {
		return fail(c.file.Path, ErrChanged, "run the command again")
	}
	return nil
}

// rename puts the new content in place through a file beside it that is nobody else's from the start.
func (c *change) rename(dir string) (err error) {
	c.sweep(dir)
	path := filepath.Join(dir, c.prefix()+rand.Text())
	beside, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	if err := errors.Join(c.fill(beside), beside.Close()); err != nil {
		return err
	}
	if err := c.unchanged(); err != nil { // the last look before
		return err
	}
	if c.file.Exists {
		return os.Rename(path, c.file.target)
	}
	if err = renameNew(path, c.file.target); errors.Is(err, fs.ErrExist) {
		return ErrChanged
	}
	return err
}

func (c *change) fill(f *os.File) error {
	if c.file.info != nil {
		if err := keepOwner(f, c.file.info); err != nil {
			return err
		}
	}
	if err := f.Chmod(c.mode); err != nil && runtime.GOOS != "windows" {
		return err
	}
	if _, err := f.Write(c.data); err != nil {
		return err
	}
	return f.Sync()
}

func (c *change) prefix() string { return "." + filepath.Base(c.file.target) + ".keyfob-" }

// sweep removes what a run that was killed left beside the file. The folder is locked: nobody is at work there.
func (c *change) sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if prefix := c.prefix(); len(name) == len(prefix)+len(rand.Text()) && name[:len(prefix)] == prefix {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
}

// verify reads the file back.
func (c *change) verify() error {
	now, err := Read(c.file.Path)
	if err != nil {
		return err
	}
	if now.Exists == c.remove || !c.remove && now.sum != c.sum() {
		return fail(c.file.Path, fmt.Errorf("what was written is not what stands there: %w", ErrChanged), "look at the file, then run the command again")
	}
	return nil
}

// MissingFolders returns the folders that have to be made for a file, the outermost first.
func MissingFolders(path string) []string { return missing(filepath.Dir(path)) }
