package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"a text file":    {write(strings.Repeat("just some text\n", 100)), "the file is not an SQLite database"},
		"a short header": {write("SQLite format 3\x00"), "the file is not an SQLite database"},
		"a folder": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is not a file but a folder"},
		"a log without its file": {func(t *testing.T, path string) {
			t.Helper()
			write("some frames")(t, path+"-wal")
		}, "is empty or missing, yet"},
		"a log beside an empty file": {func(t *testing.T, path string) {
			t.Helper()
			write("some frames")(t, path+"-wal")
			write("")(t, path)
		}, "is empty or missing, yet"},
		"another program's database": {func(t *testing.T, path string) {
			t.Helper()
			execute(t, path, `CREATE TABLE bookmarks (url TEXT)`)
		}, "it is a database of another program"},
		"a damaged database": {func(t *testing.T, path string) {
			t.Helper()
			closed(t, path)
			b := read(t, path)
			for i := 100; i < len(b); i++ {
				b[i] = 0xa5
			}
			write(string(b))(t, path)
		}, "the file is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keyfob.db")
			tt.prepare(t, path)
			before := snapshot(t, path)
			s, err := Open(t.Context(), path)
			if s != nil {
				t.Error("got a store")
			}
			wantError(t, err, tt.want)
			wantError(t, err, path)
			if after := snapshot(t, path); after != before {
				t.Errorf("it was changed: %v, before %v", after, before)
			}
		})
	}
}

func TestOpenWithoutAPlaceForTheFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, tt := range map[string]struct{ path, want string }{
		"empty path":     {"", "the path of the database is empty"},
		"missing folder": {filepath.Join(folder, "none", "keyfob.db"), "can't be made"},
		"kernel folder":  {"/proc/self/keyfob.db", "can't be made"},
		"NUL":            {filepath.Join(folder, "a\x00b"), "can't be made"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), tt.path)
			wantError(t, err, tt.want)
		})
	}
}

func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	path := filepath.Join(t.TempDir(), "sub", "keyfob.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	closed(t, path)
	if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
			t.Error(err)
		}
	})
	_, err := Open(t.Context(), path)
	wantError(t, err, ErrNoAccess.Error())
}

func TestReadOnlyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	closed(t, path)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path)
	wantError(t, err, ErrNoAccess.Error())
	if left, err := filepath.Glob(path + "-*"); err != nil || left != nil {
		t.Errorf("it left %v, %v", left, err) // read-only like the file, which they would stay when its mode is mended
	}
}

func TestNewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	closed(t, path)
	execute(t, path, `INSERT INTO schema_migrations (version, name, applied_at) VALUES (9999, '9999_future.sql', 0)`)
	before := snapshot(t, path)
	_, err := Open(t.Context(), path)
	if !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("got %v, want %v", err, store.ErrNewerSchema)
	}
	wantError(t, err, fmt.Sprintf("its schema is 9999, for programs that know 9999; this program knows up to %d", len(allMigrations())))
	if after := snapshot(t, path); after != before {
		t.Error("the file was changed")
	}
}

func TestMigrationsAreRecordedOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	closed(t, path)
	s := open(t, path)
	var n, latest int
	var name string
	err := s.reader.QueryRowContext(t.Context(), `SELECT count(*), max(version), max(name) FROM schema_migrations`).Scan(&n, &latest, &name)
	if all := allMigrations(); err != nil || n != len(all) || latest != len(all) || name != all[len(all)-1].Name {
		t.Errorf("recorded %d, the latest %d %s: %v", n, latest, name, err)
	}
}

// TestSchemaBesideWhichThisProgramRuns: a later program brought the file up to date, and this one is started again.
func TestSchemaBesideWhichThisProgramRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	closed(t, path)
	known := len(allMigrations())
	execute(t, path, fmt.Sprintf(`INSERT INTO schema_migrations (version, name, applied_at, since) VALUES (%d, 'next.sql', 0, %d)`, known+1, known))
	s := open(t, path)
	if err := s.View(t.Context(), func(tx store.Tx) error {
		is, err := tx.State()
		if is.Schema != known+1 || is.Since != known {
			t.Errorf("%+v", is)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	in, err := Inspect(t.Context(), path)
	if err != nil || in.Schema != known+1 {
		t.Fatal(in, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("access is in ACLs")
	}
	path := filepath.Join(t.TempDir(), "key fob?#%20é.db") // and no character of the path means something to the URI
	closed(t, path)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name())
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if base := filepath.Base(path); strings.Join(names, " ") != base+" "+base+"-shm "+base+"-wal" {
		t.Errorf("files %q", names)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, filepath.Join(t.TempDir(), "keyfob.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
