package userfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Sum is the SHA-256 of a file's content.
type Sum [sha256.Size]byte

// File is a file as it was found.
type File struct {
	Path   string // as it was named
	Data   []byte
	Exists bool

	target string // what Path leads to through links
	sum    Sum    // of the content on disk
	info   fs.FileInfo
}

// Mode returns the file's permissions; 0 where there is none.
func (f File) Mode() fs.FileMode {
	if f.info == nil {
		return 0
	}
	return f.info.Mode().Perm()
}

// Read reads a file that may have to be changed. A file that is missing has no content; one that could not be replaced
// safely is refused: a folder, pipe, socket or device, a link that leads nowhere, a file of another user, one with several
// names, one that is read-only. Errors are *Error.
func Read(path string) (File, error) {
	target, err := resolve(path)
	if err != nil {
		return File{}, err
	}
	f := File{Path: path, target: target}
	info, err := os.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		f.sum = sha256.Sum256(nil)
		return f, nil
	}
	if err != nil {
		return File{}, fail(path, err, "check the folder's owner and mode")
	}
	if err := replaceable(path, info); err != nil {
		return File{}, err
	}
	in, err := os.OpenFile(target, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return File{}, fail(path, err, "check the file's owner and mode")
	}
	defer func() { _ = in.Close() }()
	if f.info, err = in.Stat(); err != nil {
		return File{}, fail(path, err, "")
	}
	if err := replaceable(path, f.info); err != nil { // of what is open now
		return File{}, err
	}
	if f.Data, err = io.ReadAll(io.LimitReader(in, maxSize+1)); err != nil {
		return File{}, fail(path, err, "")
	}
	if len(f.Data) > maxSize {
		return File{}, fail(path, fmt.Errorf("%w: over %d MiB", ErrSize, maxSize>>20), "no client's configuration is that large: look what it is")
	}
	f.Exists, f.sum = true, sha256.Sum256(f.Data)
	return f, nil
}

// resolve follows links, so that what they lead to is replaced and they stay. The file itself need not exist.
func resolve(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fail(path, fmt.Errorf("%w: its path is not absolute", ErrKind), "")
	}
	target, err := filepath.EvalSymlinks(path)
	switch {
	case err == nil:
		return target, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fail(path, fmt.Errorf("%w: %s", ErrKind, shortly(err)), "look where its links lead")
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", fail(path, fmt.Errorf("%w: it is a link to a file that does not exist", ErrKind), "make the file that it leads to, or remove the link")
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path, nil
	}
	folder, err := resolve(parent)
	return filepath.Join(folder, filepath.Base(path)), err
}

func shortly(err error) string {
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		return cause.Err.Error()
	}
	return err.Error()
}

// replaceable refuses a file whose replacement would be something else than the file with other content.
func replaceable(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fail(path, fmt.Errorf("%w: it is a %s", ErrKind, kind(info.Mode())), "move it away; a client's configuration is a file")
	case info.Mode().Perm()&0o200 == 0:
		return fail(path, fmt.Errorf("%w: it is read-only (mode %04o)", ErrKind, info.Mode().Perm()), "make it writable, or change it yourself")
	}
	return replaceableOwner(path, info)
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}
