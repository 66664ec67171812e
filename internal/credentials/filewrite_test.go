//go:build unix

package credentials

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

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

func TestFilePutKeepsTheOld(t *testing.T) {
	t.Parallel()
	s, ref, path := fileStore(t, KindPlain)
	old := secret.New(secret.Session)
	_, err := s.Put(t.Context(), ref, old)
	must(t, err)
	short := contextFile(filepath.Dir(filepath.Dir(path)), KindPlain, ".json", 10) // it reads but half of what it wrote
	s.plain = short
	_, err = s.Put(t.Context(), ref, secret.New(secret.Session))
	wantError(t, err, "put", KindPlain, "the session was not stored", "try again")
	wantFile(t, filepath.Dir(path), "work.json")
	if got, _, err := New(Config{Dir: filepath.Dir(filepath.Dir(path))}).Get(t.Context(), ref); err != nil || got != old {
		t.Errorf("Get = %v, want the old token", err)
	}
}

func TestFileFolderRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{KindPlain, KindEncrypted} {
		for _, tc := range []struct {
			name         string
			make         func(dir string) error
			reason, hint string
		}{
			{"open", func(dir string) error { return os.Chmod(dir, 0o755) }, "its mode is 0755", "chmod 700 "},
			{"a file", func(dir string) error { return errors.Join(os.Remove(dir), write(dir, "", 0o600)) }, "can't be used", "check the folder"},
			{"a dangling link", func(dir string) error { return errors.Join(os.Remove(dir), os.Symlink("nowhere", dir)) }, "can't be used", "check the folder"},
		} {
			t.Run(string(kind)+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				s, ref, path := fileStore(t, kind)
				must(t, tc.make(filepath.Dir(path)))
				_, err := s.Put(t.Context(), ref, secret.New(secret.Session))
				wantError(t, err, "put", kind, tc.reason, tc.hint)
			})
		}
	}
}

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
		for _, kind := range []Kind{KindFile, KindPlain, KindEncrypted} {
			t.Run(string(kind)+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				s, ref, path := fileStore(t, kind)
				must(t, tc.make(filepath.Dir(path), path))
				removed, err := s.Delete(t.Context(), ref)
				if len(removed) != tc.removed {
					t.Errorf("removed %v, want %d", removed, tc.removed)
				}
				if tc.reason != "" {
					wantError(t, err, "delete", kind, tc.reason, "remove it")
					return
				}
				must(t, err)
				if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the file is still there: %v", err)
				}
			})
		}
	}
}

func TestFileConcurrentPut(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{KindFile, KindPlain} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			testFileConcurrentPut(t, kind)
		})
	}
}

func testFileConcurrentPut(t *testing.T, kind Kind) {
	t.Helper()
	_, ref, path := fileStore(t, kind)
	cfg := Config{Dir: filepath.Dir(filepath.Dir(path))}
	var mu sync.Mutex
	tokens := map[secret.Secret]bool{}
	stored := 0
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			s := New(cfg) // one for each, as if each were a process
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
					wantError(t, err, "put", kind, "holds another value", "another sign-in ran at the same time")
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
	wantFile(t, filepath.Dir(path), filepath.Base(path))
}
