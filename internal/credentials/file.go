package credentials

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/keyfob/keyfob/internal/atomicfile"
)

const (
	fileMode   = 0o600
	folderMode = 0o700
)

// filePlace is a file in a folder that only its user can enter.
type filePlace struct {
	uid  int
	kind Kind
	path func(Ref) string
	// secrets is the folder of keys' secrets.
	secrets func(Ref) string
	// max is the size up to which a file is read.
	max int64
	// makes says that put makes the folder.
	makes bool
	// folder is what people call the folder, and other the step that takes another one.
	folder, other string
}

// newLocalPlace is the file of the local context, in a data directory that is there before it.
func newLocalPlace() filePlace {
	return filePlace{
		uid: os.Geteuid(), kind: KindFile, max: maxRead,
		path:    func(ref Ref) string { return filepath.Join(ref.LocalDir, "session") },
		secrets: func(ref Ref) string { return filepath.Join(ref.LocalDir, "key-secrets") },
		folder:  "data directory", other: "give another data directory",
	}
}

// newPlainPlace is a file of a context, below the folder of the configuration. Only the user's own word leads here.
func newPlainPlace(cfg Config) filePlace { return contextFile(cfg.Dir, KindPlain, ".json", maxRead) }

func contextFile(dir string, kind Kind, suffix string, limit int64) filePlace {
	return filePlace{
		uid: os.Geteuid(), kind: kind, max: limit, makes: true,
		path:    func(ref Ref) string { return filepath.Join(dir, "credentials", ref.Context+suffix) },
		secrets: func(ref Ref) string { return filepath.Join(dir, "credentials", ref.Context+".keys") },
		folder:  "folder", other: "set KEYFOB_CONFIG_DIR to another folder",
	}
}

func (p filePlace) source(ref Ref) Source { return Source{p.kind, p.file(ref)} }

// file is where the credential lies; a key's secret lies in a folder beside the session.
func (p filePlace) file(ref Ref) string {
	if ref.Key != "" {
		return filepath.Join(p.secrets(ref), ref.Key+".json")
	}
	return p.path(ref)
}

func (p filePlace) check(ref Ref) error {
	if path := p.path(ref); !filepath.IsAbs(path) {
		return &Error{
			Place:  p.kind,
			Reason: fmt.Sprintf("the %s %q is not an absolute path", p.folder, filepath.Dir(path)),
			Hint:   "give the " + p.folder + " as an absolute path",
		}
	}
	// The names that the configuration gives; any other could lead out of the folder, or be two names of one file.
	if p.makes && !regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`).MatchString(ref.Context) {
		return &Error{
			Place:  p.kind,
			Reason: fmt.Sprintf("the context %q can't name a file", ref.Context),
			Hint:   "use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit",
		}
	}
	return nil
}

func (p filePlace) get(_ context.Context, ref Ref) (string, error) {
	value, err := p.read(ref, p.file(ref))
	return string(value), err
}

// read returns what the file at path holds, up to a byte more than the limit; ErrNone: there is no file.
func (p filePlace) read(ref Ref, path string) ([]byte, error) {
	value, err := p.readPrivate(ref, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	return value, p.failed(err)
}

func (p filePlace) readPrivate(ref Ref, path string) ([]byte, error) {
	if err := p.checkFolders(ref); err != nil {
		return nil, err
	}
	// Lstat only finds the word for what is no file; what counts is asked of the open file.
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, p.notRegular(ref, fi.Mode())
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	fi, err = f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, p.notRegular(ref, fi.Mode())
	}
	if err := p.checkPrivate(path, fi, fileMode); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, p.max+1))
}

func (p filePlace) put(_ context.Context, ref Ref, value string) error {
	if err := p.prepare(ref); err != nil {
		return err
	}
	return p.replace(ref, []byte(value))
}

// prepare makes the folder where it may, and says why no file can be put there.
func (p filePlace) prepare(ref Ref) error {
	dir := filepath.Dir(p.path(ref))
	if p.makes {
		if err := os.MkdirAll(dir, folderMode); err != nil {
			return p.failed(err)
		}
	}
	err := p.checkFolder(dir)
	if err == nil && ref.Key != "" {
		if err = os.Mkdir(p.secrets(ref), folderMode); errors.Is(err, fs.ErrExist) {
			err = nil
		}
		if err == nil {
			err = p.checkFolder(p.secrets(ref))
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{
			Place:  p.kind,
			Reason: fmt.Sprintf("the %s %q does not exist", p.folder, dir),
			Hint:   fmt.Sprintf("%s, or make it: mkdir -m 700 %q", signIn(ref), dir),
			err:    err,
		}
	}
	return p.failed(err)
}

// replace writes the value beside the file, reads it back, and only then lets it take the file's place.
func (p filePlace) replace(ref Ref, value []byte) error {
	path := p.file(ref)
	beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-"+rand.Text())
	err := atomicfile.Write(beside, value, fileMode)
	if err == nil {
		err = p.verify(ref, beside, value)
	}
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		_ = os.Remove(beside)
		return p.failed(err)
	}
	return p.failed(syncDir(filepath.Dir(path)))
}

func (p filePlace) verify(ref Ref, path string, want []byte) error {
	got, err := p.read(ref, path)
	if err == nil && bytes.Equal(got, want) {
		return nil
	}
	return notStored(ref, p.source(ref), err)
}

// remove takes the file away whatever it holds, and out of a folder that is too open, too: signing out must work when
// reading does not.
func (p filePlace) remove(_ context.Context, ref Ref) (bool, error) {
	path := p.file(ref)
	fi, err := os.Lstat(path)
	if err == nil && fi.IsDir() {
		return false, p.notRegular(ref, fi.Mode())
	}
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, p.failed(err)
}

// checkFolders asks for the folders that lead to the file, down from the one that holds the session.
func (p filePlace) checkFolders(ref Ref) error {
	err := p.checkFolder(filepath.Dir(p.path(ref)))
	if err == nil && ref.Key != "" {
		err = p.checkFolder(p.secrets(ref))
	}
	return err
}

func (p filePlace) checkFolder(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return &Error{
			Place:  p.kind,
			Reason: fmt.Sprintf("the %s %q is not a directory", p.folder, dir),
			Hint:   p.other,
		}
	}
	return p.checkPrivate(dir, fi, folderMode)
}

// checkPrivate refuses what belongs to another user or is open to others; want is the mode to advise.
func (p filePlace) checkPrivate(path string, fi fs.FileInfo, want fs.FileMode) error {
	if !ownedBy(fi, p.uid) {
		return &Error{
			Place:  p.kind,
			Reason: fmt.Sprintf("%q belongs to another user", path),
			Hint:   "run the command as that user, or " + p.other,
		}
	}
	if openToOthers(fi) {
		return &Error{
			Place:  p.kind,
			Reason: fmt.Sprintf("%q is open to other users: its mode is %04o", path, fi.Mode().Perm()),
			Hint:   fmt.Sprintf("chmod %o %q", want, path),
		}
	}
	return nil
}

func (p filePlace) notRegular(ref Ref, mode fs.FileMode) error {
	what := "no regular file"
	for _, t := range []struct {
		bit  fs.FileMode
		word string
	}{
		{fs.ModeSymlink, "a symbolic link"},
		{fs.ModeDir, "a directory"},
		{fs.ModeNamedPipe, "a named pipe"},
		{fs.ModeSocket, "a socket"},
		{fs.ModeDevice, "a device"},
	} {
		if mode&t.bit != 0 {
			what = t.word
			break
		}
	}
	return &Error{
		Place:  p.kind,
		Reason: fmt.Sprintf("%q is %s, so no %s is read from it", p.file(ref), what, ref.noun()),
		Hint:   "remove it and " + signIn(ref),
	}
}

// failed makes an Error of one of package os, whose text names the path. It passes on nil and what is an Error.
func (p filePlace) failed(err error) error {
	if _, ok := errors.AsType[*Error](err); ok || err == nil {
		return err
	}
	return &Error{
		Place:  p.kind,
		Reason: "the file can't be used: " + err.Error(),
		Hint:   "check the " + p.folder + "'s owner, its mode and the room on its disk",
		err:    err,
	}
}
