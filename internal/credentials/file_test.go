//go:build unix

package credentials

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
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

// fileStore is a Store with an empty folder for files of a kind; nobody can be asked for a passphrase.
func fileStore(t *testing.T, kind Kind) (s *Store, ref Ref, path string) {
	t.Helper()
	if kind == KindFile {
		ref = local(t)
		return New(Config{}), ref, filepath.Join(ref.LocalDir, "session")
	}
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "credentials"), 0o700))
	ref = Ref{Origin: localOrigin, Context: "work", Store: Choice{Kind: kind}}
	suffix := map[Kind]string{KindPlain: ".json", KindEncrypted: ".age"}[kind]
	return New(Config{Dir: dir}), ref, filepath.Join(dir, "credentials", "work"+suffix)
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
	wantFile(t, ref.LocalDir, "session")

	// The folder of the others is made, and those above it.
	dir := filepath.Join(t.TempDir(), "home", "config")
	s := cheapStore(Config{Dir: dir, Passphrase: always("correct horse")})
	for suffix, kind := range map[string]Kind{".json": KindPlain, ".age": KindEncrypted} {
		ref := in(Choice{Kind: kind})
		_, err := s.Put(t.Context(), ref, secret.New(secret.Session))
		must(t, err)
		wantFile(t, filepath.Join(dir, "credentials"), "work"+suffix)
		_, err = s.Delete(t.Context(), ref)
		must(t, err)
	}
}

// wantFile asserts that a folder for its user alone holds one such file and nothing else.
func wantFile(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 || entries[0].Name() != name {
		t.Fatalf("the folder holds %v, want %s alone", entries, name)
	}
	file, err := entries[0].Info()
	must(t, err)
	folder, err := os.Stat(dir)
	must(t, err)
	if file.Mode() != 0o600 || folder.Mode().Perm() != 0o700 {
		t.Errorf("modes = %v, %v, want 0600 in 0700", file.Mode(), folder.Mode())
	}
}

func TestFileRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{KindFile, KindPlain, KindEncrypted} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			testFileRefused(t, kind)
		})
	}
}

func testFileRefused(t *testing.T, kind Kind) {
	t.Helper()
	token := secret.New(secret.Session)
	good := mustEncode(t, localOrigin, token)
	const foreign = "it holds no session that keyfob wrote"
	remove, again, elsewhere := "remove it and sign in with keyfob auth login", "sign in with keyfob auth login; it writes", "KEYFOB_CONFIG_DIR"
	if kind == KindFile {
		remove, again, elsewhere = "remove it and run keyfob quickstart", "run keyfob quickstart; it writes", "another data directory"
	}
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
		{"symlink loop", func(_, path string) error { return os.Symlink(filepath.Base(path), path) }, "is a symbolic link", remove},
		{"symlink to a device", link("/dev/zero"), "is a symbolic link", remove},
		{"named pipe", func(_, path string) error { return syscall.Mkfifo(path, 0o600) }, "is a named pipe", remove},
		{"directory", func(_, path string) error { return os.Mkdir(path, 0o700) }, "is a directory", remove},
		{"socket", func(_, path string) error { return socket(path) }, "is a socket", remove},
		{"parent is a file", func(dir, _ string) error {
			return errors.Join(os.Remove(dir), write(dir, "", 0o600))
		}, "is not a directory", elsewhere},

		{"empty", holds("", 0o600), foreign, again},
		{"bare token", holds(token.Reveal(), 0o600), foreign, again},
		{"cut short", holds(good[:len(good)-4], 0o600), foreign, again},
		{"two values", holds(good+good, 0o600), foreign, again},
		{"token mistyped", holds(strings.Replace(good, token.Reveal(), token.Reveal()[:41]+"!", 1), 0o600), foreign, again},
		{"NULs after a crash", holds(strings.Repeat("\x00", len(good)), 0o600), foreign, again},
		{"over 4 KiB", holds(good+strings.Repeat(" ", 4096), 0o600), foreign, again},
		{"100 MiB", func(_, path string) error {
			return errors.Join(write(path, good, 0o600), os.Truncate(path, 100<<20))
		}, foreign, again},
		{
			"another origin", holds(mustEncode(t, "http://127.0.0.1:7421", token), 0o600),
			"its session is for another service", again,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if kind == KindEncrypted && tc.name == "another origin" {
				t.Skip("what is in an encrypted file is another test's matter")
			}
			s, ref, path := fileStore(t, kind)
			must(t, tc.make(filepath.Dir(path), path))
			_, _, err := s.Get(t.Context(), ref)
			wantError(t, err, "get", kind, tc.reason, tc.hint)
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
	s, other := New(Config{}), newLocalPlace()
	other.uid++
	s.local = other
	_, _, err = s.Get(t.Context(), ref)
	wantError(t, err, "get", KindFile, "belongs to another user", "as that user")
	_, err = s.Put(t.Context(), ref, secret.New(secret.Session))
	wantError(t, err, "put", KindFile, "belongs to another user", "as that user")
	fi, err := os.Stat(filepath.Join(ref.LocalDir, "session"))
	must(t, err)
	if err := other.checkPrivate("x", fi, fileMode); err == nil {
		t.Error("a file of another user in a directory of ours is taken")
	}
}

// TestFilePutKeepsTheOld: what can't be read back never takes the old one's place.
// TestFileFolderRefused: a folder of sessions that others can enter, or that is none, takes no session.
// A link in the file's place is replaced, never followed.
// A data directory may lie on another disk.
// TestFileConcurrentPut: the last one wins, the others are told so, and no reader ever sees anything but a whole session.
