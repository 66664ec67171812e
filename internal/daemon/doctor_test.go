package daemon

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

// examined runs the doctor and returns the status of each check.
func examined(t *testing.T, dir string, now func() time.Time) (map[string]finding, error) {
	t.Helper()
	var out bytes.Buffer
	err := doctorRun(t.Context(), &DoctorOptions{DataDir: dir, Format: cliutil.FormatJSON, Out: &out, Now: now})
	var doc struct {
		OK     bool
		Checks []finding
	}
	noError(t, json.Unmarshal(out.Bytes(), &doc))
	if doc.OK != (err == nil) {
		t.Errorf("ok is %v, error %v", doc.OK, err)
	}
	found := map[string]finding{}
	for _, f := range doc.Checks {
		found[f.Check] = f
	}
	return found, err
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	change := func(query string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
			noError(t, err)
			_, err = db.ExecContext(t.Context(), query)
			noError(t, errors.Join(err, db.Close()))
		}
	}
	write := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	}
	now := time.Now
	for name, tt := range map[string]struct {
		spoil  func(t *testing.T, dir string)
		now    func() time.Time
		check  string
		status string
		detail string
	}{
		"healthy": {nil, now, "secrets", checkOK, "1 organisations, 1 sealed secrets"},
		"open to others": {func(t *testing.T, dir string) {
			t.Helper()
			noError(t, os.Chmod(filepath.Join(dir, masterFile), 0o644))
		}, now, "access", checkFail, "master.key is open to others (mode 0644)"},
		"no database":         {func(t *testing.T, dir string) { t.Helper(); noError(t, os.Remove(filepath.Join(dir, databaseFile))) }, now, "schema", checkFail, "keyfob.db"},
		"a newer schema":      {change(`UPDATE schema_migrations SET version = version + 1000`), now, "schema", checkFail, "newer version"},
		"a dangling row":      {change(`INSERT INTO memberships VALUES ('org_none', 'u_none', 'owner', 1)`), now, "integrity", checkFail, "refers to one that is not there"},
		"another journal":     {change(`PRAGMA journal_mode = DELETE`), now, "settings", checkFail, "journal_mode"},
		"no pepper":           {func(t *testing.T, dir string) { t.Helper(); noError(t, os.Remove(filepath.Join(dir, pepperFile))) }, now, "keys", checkFail, "pepper.key"},
		"another master key":  {write(masterFile, strings.Repeat("ab", 32)), now, "keys", checkFail, "other material"},
		"a damaged copy":      {change(`UPDATE secrets SET sealed = zeroblob(length(sealed))`), now, "secrets", checkFail, "sealed secret 1 of key_"},
		"a damaged data key":  {change(`UPDATE orgs SET data_key = zeroblob(length(data_key))`), now, "secrets", checkFail, "data key of org_"},
		"a clock behind":      {nil, func() time.Time { return time.Now().Add(-time.Hour) }, "clock", checkFail, "the newest event is of"},
		"a clock never set":   {nil, func() time.Time { return time.Unix(60, 0) }, "clock", checkFail, "1970"},
		"a damaged log":       {write(revocationsFile, "no line\n"), now, "revocations", checkFail, "line 1"},
		"no log":              {func(t *testing.T, dir string) { t.Helper(); noError(t, os.Remove(filepath.Join(dir, revocationsFile))) }, now, "revocations", checkWarn, "there is no"},
		"what a restore left": {write(".restore-1", ""), now, "leftovers", checkWarn, ".restore-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newKept(t, []string{"one"}, func(*kept, string) {}).dir
			if tt.spoil != nil {
				tt.spoil(t, dir)
			}
			found, err := examined(t, dir, tt.now)
			got := found[tt.check]
			if got.Status != tt.status || !strings.Contains(got.Detail, tt.detail) || (got.Fix == "") != (tt.status == checkOK) {
				t.Errorf("%+v", got)
			}
			if tt.status == checkFail {
				failure(t, err, "unsound", cliutil.ExitFailed)
			} else {
				noError(t, err)
			}
			if name == "no database" {
				if _, err := os.Stat(filepath.Join(dir, databaseFile)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("it made one: %v", err)
				}
			}
			for _, f := range found { // one fault is told once, with what follows from it alone
				follows := map[string]bool{"secrets": tt.check == "keys", tt.check: true}
				if f.Status == checkFail && !follows[f.Check] {
					t.Errorf("also: %+v", f)
				}
			}
		})
	}
}

// Whoever runs it as another user than the service's is not told to restore a backup, or to move the log of revocations away.
func TestDoctorOfWhatItMayNotRead(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := newKept(t, []string{"one"}, func(*kept, string) {}).dir
	names := map[string]string{databaseFile: "schema", masterFile: "keys", revocationsFile: "revocations"}
	for name, check := range names {
		path := filepath.Join(dir, name)
		noError(t, os.Chmod(path, 0))
		found, err := examined(t, dir, time.Now)
		failure(t, err, "unsound", cliutil.ExitFailed)
		if got := found[check]; got.Status != checkFail || got.Fix != asItsUser {
			t.Errorf("%s: %+v", name, got)
		}
		noError(t, os.Chmod(path, 0o600))
	}
	noError(t, os.Chmod(dir, 0o600))
	found, _ := examined(t, dir, time.Now)
	noError(t, os.Chmod(dir, 0o700))
	for _, check := range []string{"access", "schema", "revocations"} {
		if got := found[check]; got.Status != checkFail || got.Fix != asItsUser || !strings.Contains(got.Detail, "permission denied") {
			t.Errorf("%s: %+v", check, got)
		}
	}
}

// The same for root, as whom tests may run.
func TestMend(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, sqlite.ErrNoAccess} {
		if got := mend(err, "restore it"); got != asItsUser {
			t.Errorf("%v: %q", err, got)
		}
	}
	if got := mend(fs.ErrNotExist, "restore it"); got != "restore it" {
		t.Errorf("%q", got)
	}
}

func TestDoctorBesideAService(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	bootstrap(t, dir)
	r := start(t, dir, nil)
	found, err := examined(t, dir, time.Now)
	noError(t, err)
	for _, f := range found {
		if f.Status == checkFail {
			t.Errorf("%+v", f)
		}
	}
	var out bytes.Buffer
	noError(t, doctorRun(t.Context(), &DoctorOptions{DataDir: dir, Out: &out, Now: time.Now}))
	if lines := strings.Count(out.String(), "\n"); lines != len(found) {
		t.Errorf("%d lines for %d checks:\n%s", lines, len(found), out.String())
	}
	r.end()
}
