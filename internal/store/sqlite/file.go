package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/keyfob/keyfob/internal/store"
)

const ownerOnly fs.FileMode = 0o600

// prepareFile makes the database file if it is missing and returns its absolute path. A file that is there is not opened:
// closing it would drop the POSIX locks that this process holds on it (https://sqlite.org/howtocorrupt.html §2.2).
func prepareFile(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path of the database is empty")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("database %s: %w", path, err)
	}
	logged := size(path+"-wal") > 0 // asked before the file: a running program makes the log only after the file has content
	if logged && size(path) == 0 {  // SQLite would throw the log away
		return "", fmt.Errorf("database %s is empty or missing, yet %s-wal holds writes of it: restore the file, or move the -wal away to begin anew", path, path)
	}
	err = createFile(path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("database %s can't be made: %w", path, err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("database %s: %w", path, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("database %s is not a file but %s", path, kindOf(info.Mode()))
	case info.Mode().Perm()&0o200 == 0: // SQLite would open it to read, and give the -wal and -shm that it makes the same mode
		return "", fmt.Errorf("%w: %s has mode %04o: %w", store.ErrUnavailable, path, info.Mode().Perm(), ErrNoAccess)
	}
	return path, nil
}

// createFile makes an empty file, or answers fs.ErrExist.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, ownerOnly)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(ownerOnly), f.Close()) // Chmod: a umask may have taken the owner's own access
}

// tighten takes others' access from the files of the database; SQLite gives new -wal and -shm files the mode of the
// database. Windows keeps access in ACLs, which modes don't show.
func tighten(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for _, p := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("database %s: %w", path, err)
		}
		if info.Mode().Perm()&0o077 == 0 {
			continue
		}
		if err := os.Chmod(p, ownerOnly); err != nil {
			return fmt.Errorf("%s can be read by others and this can't be changed: %w", p, err)
		}
	}
	return nil
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func kindOf(m fs.FileMode) string {
	if m.IsDir() {
		return "a folder"
	}
	return "a device, pipe or socket"
}
