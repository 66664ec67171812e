//go:build unix

package credentials

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

const localOrigin = "http://127.0.0.1:7420"

func local(t *testing.T) Ref {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keyfob")
	must(t, os.Mkdir(dir, 0o700))
	return Ref{Origin: localOrigin, Context: "local", LocalDir: dir}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file with exactly the mode, whatever the umask.
func write(path, content string, mode fs.FileMode) error {
	return errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode))
}

// socket leaves a socket at path. It is bound under a shorter name: a socket's path has at most 104 bytes.
func socket(path string) error {
	short := filepath.Join(filepath.Dir(path), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return errors.Join(l.Close(), os.Rename(short, path))
}

func TestFileModes(t *testing.T) {
	t.Parallel()
	ref := local(t)
	_, err := New(Config{}).Put(t.Context(), ref, secret.New(secret.Session))
	must(t, err)
	entries, err := os.ReadDir(ref.LocalDir)
	must(t, err)
	if len(entries) != 1 || entries[0].Name() != "session" {
		t.Fatalf("the directory holds %v, want session alone", entries)
	}
	fi, err := entries[0].Info()
	must(t, err)
	if fi.Mode() != 0o600 {
		t.Errorf("mode = %v, want 0600", fi.Mode())
	}
}

func TestFileRefused(t *testing.T) {
	t.Parallel()
	token := secret.New(secret.Session)
	good := mustEncode(t, localOrigin, token)
	const remove, foreign = "remove it and run keyfob quickstart", "it holds no session that keyfob wrote"
	holds := func(content string, mode fs.FileMode) func(dir, path string) error {
		return func(_, path string) error { return write(path, content, mode) }
	}
	in := func(mode fs.FileMode) func(dir, path string) error {
		return func(dir, path string) error { return errors.Join(write(path, good, 0o600), os.Chmod(dir, mode)) }
	}
	link := func(target string) func(dir, path string) error {
		return func(_, path string) error { return os.Symlink(target, path) }
	}
	for _, tc := range []struct {
		name         string
		make         func(dir, path string) error
		reason, hint string
	}{
		{"0640", holds(good, 0o640), "is open to other users: its mode is 0640", "chmod 600 "},
		{"0604", holds(good, 0o604), "its mode is 0604", "chmod 600 "},
		{"0620", holds(good, 0o620), "its mode is 0620", "chmod 600 "},
		{"0644", holds(good, 0o644), "its mode is 0644", "chmod 600 "},
		{"0777", holds(good, 0o777), "its mode is 0777", "chmod 600 "},
		{"directory 0755", in(0o755), "is open to other users: its mode is 0755", "chmod 700 "},
		{"directory 0710", in(0o710), "its mode is 0710", "chmod 700 "},

		{"symlink", func(dir, path string) error {
			return errors.Join(write(filepath.Join(dir, "real"), good, 0o600), os.Symlink("real", path))
		}, "is a symbolic link", remove},
		{"dangling symlink", link("nowhere"), "is a symbolic link", remove},
		{"symlink loop", link("session"), "is a symbolic link", remove},
		{"symlink to a device", link("/dev/zero"), "is a symbolic link", remove},
		{"named pipe", func(_, path string) error { return syscall.Mkfifo(path, 0o600) }, "is a named pipe", remove},
		{"directory", func(_, path string) error { return os.Mkdir(path, 0o700) }, "is a directory", remove},
		{"socket", func(_, path string) error { return socket(path) }, "is a socket", remove},
		{"parent is a file", func(dir, _ string) error {
			return errors.Join(os.Remove(dir), write(dir, "", 0o600))
		}, "is not a directory", "another data directory"},

		{"empty", holds("", 0o600), foreign, "keyfob quickstart"},
		{"bare token", holds(token.Reveal(), 0o600), foreign, "keyfob quickstart"},
		{"cut short", holds(good[:len(good)-4], 0o600), foreign, "keyfob quickstart"},
		{"two values", holds(good+good, 0o600), foreign, "keyfob quickstart"},
		{"token mistyped", holds(strings.Replace(good, token.Reveal(), token.Reveal()[:41]+"!", 1), 0o600), foreign, "keyfob quickstart"},
		{"NULs after a crash", holds(strings.Repeat("\x00", len(good)), 0o600), foreign, "keyfob quickstart"},
		{"over 4 KiB", holds(good+strings.Repeat(" ", 4096), 0o600), foreign, "keyfob quickstart"},
		{"100 MiB", func(_, path string) error {
			return errors.Join(write(path, good, 0o600), os.Truncate(path, 100<<20))
		}, foreign, "keyfob quickstart"},
		{
			"another origin", holds(mustEncode(t, "http://127.0.0.1:7421", token), 0o600),
			"its session is for another service", "keyfob quickstart",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ref := local(t)
			must(t, tc.make(ref.LocalDir, filepath.Join(ref.LocalDir, "session")))
			_, _, err := New(Config{}).Get(t.Context(), ref)
			wantError(t, err, "get", KindFile, tc.reason, tc.hint)
			wantNoLeak(t, err, token.Reveal()[4:30])
			if errors.Is(err, ErrNone) {
				t.Error("a file that is there and refused is ErrNone")
			}
		})
	}
}

func TestFileOfAnotherUser(t *testing.T) {
	t.Parallel()
	ref := local(t)
	_, err := New(Config{}).Put(t.Context(), ref, secret.New(secret.Session))
	must(t, err)
	s := New(Config{})
	s.file = filePlace{uid: os.Geteuid() + 1}
	_, _, err = s.Get(t.Context(), ref)
	wantError(t, err, "get", KindFile, "belongs to another user", "as that user")
	_, err = s.Put(t.Context(), ref, secret.New(secret.Session))
	wantError(t, err, "put", KindFile, "belongs to another user", "as that user")
	fi, err := os.Stat(filepath.Join(ref.LocalDir, "session"))
	must(t, err)
	if err := (filePlace{uid: os.Geteuid() + 1}).checkPrivate("x", fi, fileMode); err == nil {
		t.Error("a file of another user in a directory of ours is taken")
	}
}

func TestFilePutRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		make         func(dir string) error
		reason, hint string
	}{
		{"no directory", os.Remove, "does not exist", "mkdir -m 700 "},
		{"open directory", func(dir string) error { return os.Chmod(dir, 0o750) }, "its mode is 0750", "chmod 700 "},
		{
			"directory in its place", func(dir string) error { return os.Mkdir(filepath.Join(dir, "session"), 0o700) },
			"can't be used", "check the data directory",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ref, token := local(t), secret.New(secret.Session)
			must(t, tc.make(ref.LocalDir))
			_, err := New(Config{}).Put(t.Context(), ref, token)
			wantError(t, err, "put", KindFile, tc.reason, tc.hint)
			wantNoLeak(t, err, token.Reveal())
			if errors.Is(err, ErrNone) {
				t.Error("a failed Put is ErrNone")
			}
			_ = filepath.WalkDir(ref.LocalDir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					t.Errorf("%s was left behind", path)
				}
				return nil
			})
		})
	}
}

// A link in the file's place is replaced, never followed.
func TestFilePutOverSymlink(t *testing.T) {
	t.Parallel()
	ref, token := local(t), secret.New(secret.Session)
	target := filepath.Join(t.TempDir(), "target")
	must(t, write(target, "untouched", 0o600))
	must(t, os.Symlink(target, filepath.Join(ref.LocalDir, "session")))
	_, err := New(Config{}).Put(t.Context(), ref, token)
	must(t, err)
	if got, err := os.ReadFile(target); err != nil || string(got) != "untouched" {
		t.Errorf("the link's target was changed (%v)", err)
	}
	if got, _, err := New(Config{}).Get(t.Context(), ref); err != nil || got != token {
		t.Errorf("Get = %v, %v", got, err)
	}
}

// A data directory may lie on another disk.
func TestFileDirectoryIsLink(t *testing.T) {
	t.Parallel()
	ref, token := local(t), secret.New(secret.Session)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(ref.LocalDir, link))
	ref.LocalDir = link
	s := New(Config{})
	_, err := s.Put(t.Context(), ref, token)
	must(t, err)
	if got, _, err := s.Get(t.Context(), ref); err != nil || got != token {
		t.Errorf("Get = %v, %v", got, err)
	}
}

func TestFileDelete(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		make    func(dir, path string) error
		removed int
		reason  string
	}{
		{"nothing", func(_, _ string) error { return nil }, 0, ""},
		{"no directory", func(dir, _ string) error { return os.Remove(dir) }, 0, ""},
		{"junk", func(_, path string) error { return write(path, "junk", 0o600) }, 1, ""},
		{"open to others", func(dir, path string) error {
			return errors.Join(write(path, "junk", 0o666), os.Chmod(dir, 0o755))
		}, 1, ""},
		{"dangling symlink", func(_, path string) error { return os.Symlink("nowhere", path) }, 1, ""},
		{"named pipe", func(_, path string) error { return syscall.Mkfifo(path, 0o600) }, 1, ""},
		{"directory", func(_, path string) error { return os.Mkdir(path, 0o700) }, 0, "is a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ref := local(t)
			path := filepath.Join(ref.LocalDir, "session")
			must(t, tc.make(ref.LocalDir, path))
			removed, err := New(Config{}).Delete(t.Context(), ref)
			if len(removed) != tc.removed {
				t.Errorf("removed %v, want %d", removed, tc.removed)
			}
			if tc.reason != "" {
				wantError(t, err, "delete", KindFile, tc.reason, "remove it")
				return
			}
			must(t, err)
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file is still there: %v", err)
			}
		})
	}
}

// TestFileConcurrentPut: the last one wins, the others are told so, and no reader ever sees anything but a whole session.
func TestFileConcurrentPut(t *testing.T) {
	t.Parallel()
	ref := local(t)
	var mu sync.Mutex
	tokens := map[secret.Secret]bool{}
	stored := 0
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			s := New(Config{}) // one for each, as if each were a process
			for range 8 {
				token := secret.New(secret.Session)
				mu.Lock()
				tokens[token] = true
				mu.Unlock()
				if _, err := s.Put(t.Context(), ref, token); err == nil {
					mu.Lock()
					stored++
					mu.Unlock()
				} else {
					wantError(t, err, "put", KindFile, "holds another value", "another sign-in ran at the same time")
				}
				got, _, err := s.Get(t.Context(), ref)
				mu.Lock()
				if err != nil || !tokens[got] {
					t.Errorf("Get = %v, %v, want one of the tokens", got, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if stored == 0 {
		t.Error("not one of the tokens was stored")
	}
	entries, err := os.ReadDir(ref.LocalDir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want session alone", entries, err)
	}
}
