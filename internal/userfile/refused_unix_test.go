//go:build unix

package userfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Mkdir(path("folder"), 0o700))
	must(t, syscall.Mkfifo(path("pipe"), 0o600))
	must(t, os.Symlink("nowhere", path("dangling")))
	must(t, os.Symlink("loop", path("loop")))
	write(t, path("read-only"), "1", 0o444)
	write(t, path("one"), "1", 0o600)
	must(t, os.Link(path("one"), path("other")))
	write(t, path("large"), strings.Repeat("x", maxSize+1), 0o600)
	must(t, os.Symlink("/dev/full", path("device")))
	for name, want := range map[string]struct {
		err  error
		text string
	}{
		"folder":    {ErrKind, "it is a folder"},
		"pipe":      {ErrKind, "it is a pipe"},
		"device":    {ErrKind, "it is a device"},
		"dangling":  {ErrKind, "a link to a file that does not exist"},
		"loop":      {ErrKind, "it can't be changed safely: "},
		"read-only": {ErrKind, ": it can't be changed safely: it is read-only (mode 0444)"},
		"one":       {ErrKind, "2 names (hard links)"},
		"large":     {ErrSize, "over 10 MiB"},
		"one/below": {nil, "not a directory"},
	} {
		_, err := Read(path(name))
		var known *Error
		if !errors.As(err, &known) || want.err != nil && !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.text) || known.Hint == "" && want.err != nil {
			t.Errorf("%s: %v (%+v), want %q", name, err, known, want.text)
		}
	}
	if _, err := Read("relative"); !errors.Is(err, ErrKind) {
		t.Errorf("a relative path: %v", err)
	}
}
