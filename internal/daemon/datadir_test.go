package daemon

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver, to break databases with

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

func TestDataDirectoriesThatAreRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(file, nil, 0o600))
	shared := t.TempDir()
	noError(t, os.WriteFile(filepath.Join(shared, "thesis.txt"), nil, 0o600))
	noError(t, os.Chmod(shared, 0o755))
	nowhere := privateDir(t)
	noError(t, os.Symlink(nowhere+"-not-mounted", nowhere))
	tests := map[string]struct{ dir, code, message string }{
		"a dangling link": {nowhere, "data-dir-unusable", "it is a link to a folder that is not there"},
		"a file":          {file, "data-dir-unusable", "not a directory"},
		"below a file":    {filepath.Join(file, "x"), "data-dir-unusable", "not a directory"},
		"long name":       {filepath.Join(t.TempDir(), strings.Repeat("x", 300)), "data-dir-unusable", "too long"},
		"shared":          {shared, "data-dir-exposed", "mode 0755"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := failure(t, serveRun(t.Context(), serveOptions(tt.dir)), tt.code, cliutil.ExitFailed)
			if !strings.Contains(err.Message, tt.message) || !strings.Contains(err.Message, tt.dir) || err.Hint == "" {
				t.Errorf("%q, %q", err.Message, err.Hint)
			}
		})
	}
	failure(t, serveRun(t.Context(), serveOptions("")), "usage", cliutil.ExitUsage)
	if entries, err := os.ReadDir(shared); err != nil || len(entries) != 1 || mode(t, shared) != 0o755 {
		t.Errorf("the shared directory was changed: %v, %v", entries, err)
	}
}

func TestFilesInTheWayAreNamed(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	bootstrap(t, dir)
	key := filepath.Join(dir, masterFile)
	noError(t, errors.Join(os.Remove(key), os.Mkdir(key, 0o700)))
	err := failure(t, serveRun(t.Context(), serveOptions(dir)), "data-dir-unusable", cliutil.ExitFailed)
	if want := "the data directory " + dir + " can't be used: " + key + ": is a directory"; err.Message != want {
		t.Errorf("%q, want %q", err.Message, want)
	}
}

// A slip of the pen makes no second service, with keys of its own, where nobody looks for one.
func TestNoDataDirectoryIsMadeByASlip(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	err := bootstrapRun(t.Context(), &BootstrapOptions{DataDir: dir, UserName: "ada", Out: io.Discard, ErrOut: io.Discard, Now: time.Now})
	if got := failure(t, err, "usage", cliutil.ExitUsage); got.Message != "--org is required" {
		t.Errorf("%q", got.Message)
	}
	err = setupLinkRun(t.Context(), &SetupLinkOptions{
		DataDir: dir, Email: "ada@example.com", PublicURL: "https://keys.example.com", Out: io.Discard, ErrOut: io.Discard, Now: time.Now,
	})
	failure(t, err, "database-missing", cliutil.ExitNotFound)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
}

// What can't be looked at is not taken for missing.
func TestDatabasesThatCannotBeReached(t *testing.T) {
	t.Parallel()
	loop := privateDir(t)
	noError(t, os.Mkdir(loop, 0o700))
	noError(t, os.Symlink(databaseFile, filepath.Join(loop, databaseFile)))
	_, err := existingDataDir(loop)
	if got := failure(t, err, "data-dir-unusable", cliutil.ExitFailed); !strings.Contains(got.Message, databaseFile+": too many ") {
		t.Errorf("%q", got.Message)
	}
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	closed := privateDir(t)
	noError(t, os.Mkdir(closed, 0o600))
	_, err = existingDataDir(closed)
	if got := failure(t, err, "data-dir-unusable", cliutil.ExitFailed); !strings.Contains(got.Message, "permission denied") || !strings.HasPrefix(got.Hint, asItsUser) {
		t.Errorf("%q, %q", got.Message, got.Hint)
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	bootstrap(t, dir)
	noError(t, os.Chmod(filepath.Join(dir, databaseFile), 0o400))
	err := failure(t, serveRun(t.Context(), serveOptions(dir)), "database-no-access", cliutil.ExitFailed)
	if !strings.Contains(err.Message, databaseFile+" has mode 0400") || err.Hint != asItsUser {
		t.Errorf("%q, %q", err.Message, err.Hint)
	}
}

func TestReadOnlyDataDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root writes everywhere")
	}
	dir := privateDir(t)
	noError(t, os.Mkdir(dir, 0o500))
	err := failure(t, serveRun(t.Context(), serveOptions(dir)), "data-dir-unusable", cliutil.ExitFailed)
	if !strings.Contains(err.Message, "permission denied") {
		t.Errorf("%q", err.Message)
	}
}

func TestTheDirectoryIsClosedToOthers(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	noError(t, os.Mkdir(dir, 0o700))
	noError(t, os.Chmod(dir, 0o755))
	bootstrap(t, dir)
	if got := mode(t, dir); got != 0o700 {
		t.Errorf("an empty directory has mode %o", got)
	}
	noError(t, os.Chmod(dir, 0o750))
	noError(t, os.Chmod(filepath.Join(dir, "master.key"), 0o644))
	bootstrap(t, dir)
	if mode(t, dir) != 0o700 || mode(t, filepath.Join(dir, "master.key")) != 0o600 {
		t.Errorf("modes %o and %o", mode(t, dir), mode(t, filepath.Join(dir, "master.key")))
	}
}

func TestDatabasesThatAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil   func(t *testing.T, dir string)
		code    string
		message string
	}{
		"no master key": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.Remove(filepath.Join(dir, "master.key")))
		}, "material-missing", "master.key is missing"},
		"no pepper": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.Remove(filepath.Join(dir, "pepper.key")))
		}, "material-missing", "pepper.key is missing"},
		"damaged pepper": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.WriteFile(filepath.Join(dir, "pepper.key"), []byte("0badf00d"), 0o600))
		}, "material-damaged", "64 hexadecimal digits"},
		"another pepper": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.WriteFile(filepath.Join(dir, "pepper.key"), []byte(strings.Repeat("ab", 32)), 0o600))
		}, "material-wrong", "not those"},
		"no database": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.Remove(filepath.Join(dir, "keyfob.db")))
		}, "database-missing", "keyfob.db is missing"},
		"an empty database": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.Truncate(filepath.Join(dir, "keyfob.db"), 0))
		}, "database-missing", "keyfob.db is empty"},
		"no database, and one key": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, errors.Join(os.Remove(filepath.Join(dir, "keyfob.db")), os.Remove(filepath.Join(dir, "master.key"))))
		}, "database-missing", "pepper.key beside it"},
		"newer schema": {func(t *testing.T, dir string) {
			t.Helper()
			db, err := sql.Open("sqlite", filepath.Join(dir, "keyfob.db"))
			noError(t, err)
			_, err = db.ExecContext(t.Context(), `UPDATE schema_migrations SET version = version + 1000`)
			noError(t, errors.Join(err, db.Close()))
		}, "newer-schema", "newer version"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := privateDir(t)
			bootstrap(t, dir)
			tt.spoil(t, dir)
			before := listing(t, dir)
			err := failure(t, serveRun(t.Context(), serveOptions(dir)), tt.code, cliutil.ExitFailed)
			if !strings.Contains(err.Message, tt.message) || !strings.Contains(err.Message, dir) || err.Hint == "" {
				t.Errorf("%q, %q", err.Message, err.Hint)
			}
			for _, made := range []string{"master.key", "pepper.key"} {
				if !before[made] && listing(t, dir)[made] {
					t.Errorf("%s was made", made)
				}
			}
		})
	}
}

func listing(t *testing.T, dir string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	noError(t, err)
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names
}

func TestADatabaseOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	bootstrap(t, dir)
	noError(t, os.WriteFile(filepath.Join(dir, "keyfob.db"), []byte(strings.Repeat("no database ", 100)), 0o600))
	err := serveRun(t.Context(), serveOptions(dir))
	if err == nil || !strings.Contains(err.Error(), "keyfob.db") {
		t.Errorf("error %v", err)
	}
}

func TestTheClockMustBeSet(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	opts := serveOptions(dir)
	opts.Now = func() time.Time { return time.Unix(60, 0) }
	err := failure(t, serveRun(t.Context(), opts), "clock-wrong", cliutil.ExitFailed)
	if !strings.Contains(err.Message, "1970-01-01T00:01:00Z") {
		t.Errorf("%q", err.Message)
	}
	if listing(t, dir)["master.key"] {
		t.Error("material was made")
	}
}

func TestManyFirstStartsAtOnce(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	r := make(chan bootstrapped, 8)
	var wg sync.WaitGroup
	for range cap(r) {
		wg.Go(func() { r <- bootstrap(t, dir) })
	}
	wg.Wait()
	close(r)
	service := start(t, dir, nil)
	var first bootstrapped
	for got := range r {
		if first.Session == "" {
			first = got
		}
		if got.Org != first.Org || got.User != first.User {
			t.Errorf("%+v and %+v", got, first)
		}
		if status, body := call(t, "GET", service.url+"/v1/session", got.Session, ""); status != 200 {
			t.Errorf("session: %d %s", status, body)
		}
	}
	service.end()
	if left := listing(t, dir); len(left) > 6 {
		t.Errorf("files %v", left)
	}
	for _, name := range []string{"master.key", "pepper.key"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		noError(t, err)
		if raw, err := hex.DecodeString(strings.TrimSpace(string(text))); err != nil || len(raw) != 32 {
			t.Errorf("%s: %d bytes, %v", name, len(raw), err)
		}
	}
}

// TestAFirstStartThatEndedHalfWay goes on where it ended.
func TestAFirstStartThatEndedHalfWay(t *testing.T) {
	t.Parallel()
	for name, left := range map[string][]string{
		"an empty file":        {"empty"},
		"the schema":           {"schema"},
		"the schema and a key": {"schema", "master.key"},
		"the schema and keys":  {"schema", "master.key", "pepper.key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := privateDir(t)
			noError(t, os.Mkdir(dir, 0o700))
			for _, what := range left {
				switch what {
				case "empty":
					noError(t, os.WriteFile(filepath.Join(dir, "keyfob.db"), nil, 0o600))
				case "schema":
					db, err := sqlite.Open(t.Context(), filepath.Join(dir, "keyfob.db"))
					noError(t, err)
					noError(t, db.Close())
				default:
					noError(t, dataDir(dir).makeKey(what))
				}
			}
			first := bootstrap(t, dir)
			if again := bootstrap(t, dir); again.User != first.User {
				t.Errorf("%+v and %+v", first, again)
			}
		})
	}
}

func TestBootstrapRefusesWhatCoreRefuses(t *testing.T) {
	t.Parallel()
	err := bootstrapRun(t.Context(), &BootstrapOptions{
		DataDir: privateDir(t), OrgSlug: "Not A Slug", OrgName: "x", UserName: "x", Out: io.Discard, ErrOut: io.Discard, Now: time.Now,
	})
	failure(t, err, "invalid-request", cliutil.ExitUsage)
}

func TestAStaleServiceFileIsNoService(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	noError(t, os.Mkdir(dir, 0o700))
	noError(t, os.WriteFile(filepath.Join(dir, "service.json"), []byte(`{"url":"http://127.0.0.1:1"}`), 0o600))
	noError(t, os.WriteFile(filepath.Join(dir, "keyfobd.lock"), nil, 0o600)) // of a process that was killed
	r := start(t, dir, nil)
	r.end()
	if _, err := os.Stat(filepath.Join(dir, "service.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("service.json is still there: %v", err)
	}
}

// What goes wrong at the end is told: as the context has ended, it would pass for a cancellation.
func TestAServiceFileThatIsInTheWayAtTheEnd(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	file := filepath.Join(dir, serviceFile)
	r := start(t, dir, nil)
	noError(t, os.Remove(file))
	r.end() // it is gone, which is what was wanted
	r = start(t, dir, nil)
	noError(t, errors.Join(os.Remove(file), os.MkdirAll(filepath.Join(file, "x"), 0o700)))
	r.stop()
	select {
	case err := <-r.done:
		if got := failure(t, err, "stop-failed", cliutil.ExitFailed); !strings.Contains(got.Message, file) {
			t.Errorf("%q", got.Message)
		}
	case <-time.After(wait):
		t.Fatalf("it did not stop:\n%s", r.log)
	}
}
