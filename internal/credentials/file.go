package credentials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keyfob/keyfob/internal/atomicfile"
)

const (
	fileName = "session"
	fileMode = 0o600
)

// filePlace is the file of the local context, in a directory that only its user can enter.
type filePlace struct{ uid int }

func newFilePlace() filePlace { return filePlace{uid: os.Geteuid()} }

func (filePlace) source(ref Ref) Source {
	return Source{KindFile, filepath.Join(ref.LocalDir, fileName)}
}

func (p filePlace) get(_ context.Context, ref Ref) (string, error) {
	value, err := p.read(ref)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNone
	}
	return value, fileFailed(err)
}

func (p filePlace) read(ref Ref) (string, error) {
	if err := p.checkDir(ref.LocalDir); err != nil {
		return "", err
	}
	path := p.source(ref).Detail
	// Lstat only finds the word for what is no file; what counts is asked of the open file.
	fi, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", notRegular(path, fi.Mode())
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	fi, err = f.Stat()
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", notRegular(path, fi.Mode())
	}
	if err := p.checkPrivate(path, fi, fileMode); err != nil {
		return "", err
	}
	value, err := io.ReadAll(io.LimitReader(f, maxRead+1)) // one more, so that decode sees that it is too long
	return string(value), err
}

func (p filePlace) put(_ context.Context, ref Ref, value string) error {
	err := p.checkDir(ref.LocalDir)
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{
			Place:  KindFile,
			Reason: fmt.Sprintf("the data directory %q does not exist", ref.LocalDir),
			Hint:   fmt.Sprintf("run keyfob quickstart, or make it: mkdir -m 700 %q", ref.LocalDir),
			err:    err,
		}
	}
	if err == nil {
		err = atomicfile.Write(p.source(ref).Detail, []byte(value), fileMode)
	}
	return fileFailed(err)
}

// remove takes the file away whatever it holds, and out of a directory that is too open, too: signing out must work when
// reading does not.
func (p filePlace) remove(_ context.Context, ref Ref) (bool, error) {
	path := p.source(ref).Detail
	fi, err := os.Lstat(path)
	if err == nil && fi.IsDir() {
		return false, notRegular(path, fi.Mode())
	}
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, fileFailed(err)
}

func (p filePlace) checkDir(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return &Error{
			Place:  KindFile,
			Reason: fmt.Sprintf("the data directory %q is not a directory", dir),
			Hint:   "give another data directory",
		}
	}
	return p.checkPrivate(dir, fi, 0o700)
}

// checkPrivate refuses what belongs to another user or is open to others; want is the mode to advise.
func (p filePlace) checkPrivate(path string, fi fs.FileInfo, want fs.FileMode) error {
	if !ownedBy(fi, p.uid) {
		return &Error{
			Place:  KindFile,
			Reason: fmt.Sprintf("%q belongs to another user", path),
			Hint:   "run the command as that user, or give another data directory",
		}
	}
	if openToOthers(fi) {
		return &Error{
			Place:  KindFile,
			Reason: fmt.Sprintf("%q is open to other users: its mode is %04o", path, fi.Mode().Perm()),
			Hint:   fmt.Sprintf("chmod %o %q", want, path),
		}
	}
	return nil
}

func notRegular(path string, mode fs.FileMode) error {
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
		Place:  KindFile,
		Reason: fmt.Sprintf("%q is %s, so no session is read from it", path, what),
		Hint:   "remove it and run keyfob quickstart",
	}
}

// fileFailed makes an Error of one of package os, whose text names the path. It passes on nil and what is an Error.
func fileFailed(err error) error {
	if _, ok := errors.AsType[*Error](err); ok || err == nil {
		return err
	}
	return &Error{
		Place:  KindFile,
		Reason: "the session file can't be used: " + err.Error(),
		Hint:   "check the data directory's owner, its mode and the room on its disk",
		err:    err,
	}
}
