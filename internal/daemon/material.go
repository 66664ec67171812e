package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
)

// material reads the secret material, and makes it if fresh: the database was made under none yet. A database without its material is
// refused: new material would open none of what is in it.
func (d dataDir) material(fresh bool) (m core.Material, err error) {
	for name, into := range map[string]*[32]byte{masterFile: &m.MasterKey, pepperFile: &m.Pepper} {
		if fresh {
			if err := d.makeKey(name); err != nil {
				return core.Material{}, d.unusable(err)
			}
		}
		if *into, err = d.readKey(name); err != nil {
			return core.Material{}, err
		}
	}
	if m.Others, err = d.others(masterKind()); err != nil {
		return core.Material{}, err
	}
	m.OtherPeppers, err = d.others(pepperKind())
	return m, err
}

// checkDatabase refuses key files without the database that they are for: it was lost, or lies on a volume that is not there, and an
// empty service in its place would be taken for it. The key files are looked for first: a first start makes them when there is a
// database.
func (d dataDir) checkDatabase() error {
	var keys []string
	for _, name := range []string{masterFile, pepperFile} {
		if _, err := os.Lstat(d.file(name)); err == nil {
			keys = append(keys, name)
		}
	}
	info, err := os.Stat(d.database())
	missing := errors.Is(err, fs.ErrNotExist)
	empty := err == nil && info.Size() == 0
	if len(keys) == 0 || !missing && !empty { // what else may be wrong with the database is told when it is opened
		return nil
	}
	what, remove := "empty", slices.Clone(keys)
	if missing {
		what = "missing"
	}
	for _, left := range []string{"-wal", "-shm"} {
		if _, err := os.Lstat(d.database() + left); err == nil {
			remove = append(remove, databaseFile+left)
		}
	}
	return &cliutil.Error{
		Code: "database-missing", Exit: cliutil.ExitFailed, Err: err,
		Message: fmt.Sprintf("%s is %s, but %s beside it is of a service that had one", d.database(), what, keys[0]),
		Hint: "mount its volume, or restore a backup: keyfobd restore FILE; to begin anew and lose every key, move " +
			strings.Join(remove, ", ") + " away",
	}
}

// makeKey makes a key file unless there is one. Two processes may start at once and either may be killed: the file gets
// its name when it is complete and on disk, and only if no other has the name.
func (d dataDir) makeKey(name string) (err error) {
	if _, err := os.Stat(d.file(name)); err == nil {
		return nil
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand crashes the program rather than return an error
	tmp, err := os.CreateTemp(string(d), ".key-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = tmp.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), d.file(name)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync()
}

// sync makes new names in the directory survive a power cut; Windows has no such call.
func (d dataDir) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readKey reads a key file and takes others' access to it.
func (d dataDir) readKey(name string) (key [32]byte, err error) {
	path := d.file(name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return key, &cliutil.Error{
			Code: "material-missing", Exit: cliutil.ExitFailed, Err: err,
			Message: fmt.Sprintf("%s is missing, but the database was made with it", path),
			Hint:    "put the file back from a backup, or from another replica: without it no key in the database can be checked",
		}
	}
	if err != nil {
		return key, d.unusable(err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o600); err != nil {
			return key, fmt.Errorf("%s can be read by others and this can't be changed: %w", path, err)
		}
	}
	return d.parseKey(name)
}

// parseKey reads a key file and leaves it as it is.
func (d dataDir) parseKey(name string) (key [32]byte, err error) {
	path := d.file(name)
	text, err := os.ReadFile(path)
	if err != nil {
		return key, d.unusable(err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(key) {
		return key, &cliutil.Error{ // without err: it quotes the text
			Code: "material-damaged", Exit: cliutil.ExitFailed,
			Message: path + " is damaged: it must hold 64 hexadecimal digits",
			Hint:    "put the file back from a backup",
		}
	}
	return [32]byte(raw), nil
}
