package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/keyfob/keyfob/internal/atomicfile"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	maxFile = 1 << 20 // bytes
	private = 0o600
)

// place is a file that may be there or not.
type place struct {
	name string // of the sink
	path string
}

// state is what lies at a place.
type state struct {
	path string // what a symbolic link leads to
	mode fs.FileMode
	text []byte
	none bool
}

// read returns what lies there. What can't be replaced without harm is refused: anything but a regular file, one of somebody else,
// one with a second name.
func (p place) read() (state, error) {
	path, err := filepath.EvalSymlinks(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p.missing()
	}
	if err != nil {
		return state{}, p.fails(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return state{}, p.fails(err)
	}
	switch {
	case !info.Mode().IsRegular():
		return state{}, p.refuse("it is no regular file", "name a file")
	case info.Size() > maxFile:
		return state{}, p.refuse(fmt.Sprintf("it is larger than %d bytes", maxFile), "")
	}
	if why := foreign(info); why != "" {
		return state{}, p.refuse(why, "replace it by a file of your own, or deliver with exec:")
	}
	file, err := os.Open(path)
	if err != nil {
		return state{}, p.fails(err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return state{}, p.fails(err)
	}
	return state{path: path, mode: info.Mode().Perm(), text: text}, nil
}

func (p place) missing() (state, error) {
	if _, err := os.Lstat(p.path); err == nil {
		return state{}, p.refuse("it is a symbolic link that leads nowhere", "remove it, or make what it leads to")
	}
	if info, err := os.Stat(filepath.Dir(p.path)); err != nil || !info.IsDir() {
		return state{}, p.refuse("its folder does not exist", "make it first: mkdir -p "+filepath.Dir(p.path))
	}
	return state{path: p.path, mode: private, none: true}, nil
}

// write replaces what was read, unless somebody has changed it since. Nobody but the owner can read it afterwards.
func (p place) write(was state, text []byte) error {
	now, err := p.read()
	if err != nil {
		return err
	}
	if now.none != was.none || now.path != was.path || !bytes.Equal(now.text, was.text) {
		return p.refuse("another program changed it in the same moment", "run the command again")
	}
	if err := atomicfile.Write(was.path, text, was.mode&0o700|private); err != nil {
		return p.fails(err)
	}
	return nil
}

// writable says why a file could not be replaced.
func (p place) writable(was state) error {
	probe, err := os.CreateTemp(filepath.Dir(was.path), ".tmp-*")
	if err != nil {
		return p.fails(err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (p place) refuse(reason, hint string) error {
	return &Error{Sink: p.name, Reason: reason, Hint: hint}
}

func (p place) fails(err error) error {
	reason := err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		reason = fmt.Errorf("%s: %w", e.Op, e.Err) // the path is said already
	}
	return &Error{Sink: p.name, Reason: reason.Error(), err: err}
}

// file is a file with nothing but the secret and a line break.
type file struct{ place }

func parseFile(path string, _ System) (Sink, error) {
	if err := checkPath("file:PATH", path); err != nil {
		return nil, err
	}
	return file{place{"file:" + path, path}}, nil
}

func checkPath(form, path string) error {
	if path == "" || !utf8.ValidString(path) || strings.ContainsRune(path, 0) {
		return &Error{Sink: form, Reason: "the path is missing or is none", Usage: true}
	}
	return nil
}

func (f file) Name() string { return f.name }

func (f file) Ready(context.Context) error {
	was, err := f.read()
	if err != nil {
		return err
	}
	return f.writable(was)
}

func (f file) Put(_ context.Context, s secret.Secret) error {
	was, err := f.read()
	if err != nil {
		return err
	}
	return f.write(was, []byte(s.Reveal()+"\n"))
}

func (f file) Get(context.Context) (string, error) {
	was, err := f.read()
	return strings.TrimRight(string(was.text), "\r\n"), err
}
