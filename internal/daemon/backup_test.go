package daemon

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// kept is a service with a key of each fate, and its backup.
type kept struct {
	*testing.T
	dir     string
	file    string
	session string
	secrets map[string]string // by name of the key
}

func backupOptions(dir, file string) *BackupOptions {
	return &BackupOptions{DataDir: dir, File: file, Version: "v1", Out: io.Discard, ErrOut: io.Discard, Now: time.Now}
}

func restoreOptions(file, dir string) *RestoreOptions {
	return &RestoreOptions{File: file, DataDir: dir, Out: io.Discard, ErrOut: io.Discard, Now: time.Now}
}

// newKept makes keys of these names, backs up, and runs since on the service that goes on.
func newKept(t *testing.T, names []string, since func(k *kept, url string)) *kept {
	t.Helper()
	k := &kept{T: t, dir: privateDir(t), file: filepath.Join(t.TempDir(), "keyfob.bak"), secrets: map[string]string{}}
	k.session = bootstrap(t, k.dir).Session
	r := start(t, k.dir, nil)
	for _, name := range names {
		var made struct{ Secret string }
		status, text := call(t, "POST", r.url+"/v1/orgs/acme/keys", k.session, `{"name":"`+name+`"}`)
		if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 {
			t.Fatal(status, text)
		}
		k.secrets[name] = made.Secret
	}
	noError(t, backupRun(t.Context(), backupOptions(k.dir, k.file)))
	since(k, r.url)
	r.end()
	return k
}

// do makes a request of the owner's, which must succeed.
func (k *kept) do(method, url, body string) string {
	k.Helper()
	status, text := call(k.T, method, url, k.session, body)
	if status >= 300 {
		k.Fatalf("%s %s: %d %s", method, url, status, text)
	}
	return text
}

// fresh is a directory with the service's key files and no more.
func (k *kept) fresh() string {
	k.Helper()
	dir := privateDir(k.T)
	noError(k.T, os.Mkdir(dir, 0o700))
	for _, name := range []string{masterFile, pepperFile} {
		text, err := os.ReadFile(filepath.Join(k.dir, name))
		noError(k.T, err)
		noError(k.T, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	return dir
}

// opens wants each key to be let in, or not, and its sealed copy to open.
func (k *kept) opens(dir string, want map[string]int) {
	k.Helper()
	r := start(k.T, dir, nil)
	for name, status := range want {
		if got, text := call(k.T, "GET", r.url+"/v1/authz", k.secrets[name], ""); got != status {
			k.Errorf("%s: %d %s, want %d", name, got, text, status)
		}
		if status == 204 {
			if text := k.do("POST", r.url+"/v1/orgs/acme/keys/"+name+"/reveal", `{"purpose":"copy"}`); !strings.Contains(text, k.secrets[name]) {
				k.Errorf("%s is revealed as another secret", name)
			}
		}
	}
	r.end()
}

func TestWhatIsRevokedAfterABackupStaysRevoked(t *testing.T) { //nolint:tparallel // the last changes what the others read
	t.Parallel()
	names := []string{"kept", "disabled", "deleted", "shortened", "enabled-again", "moved-on"}
	k := newKept(t, names, func(k *kept, url string) {
		keys := url + "/v1/orgs/acme/keys/"
		k.do("POST", keys+"disabled/disable", `{}`)
		k.do("DELETE", keys+"deleted?acknowledge_recent_use=true", "")
		k.do("PATCH", keys+"shortened", `{"expires_at":"`+time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)+`"}`)
		k.do("POST", keys+"enabled-again/disable", `{}`)
		k.do("POST", keys+"enabled-again/enable", `{}`)
		k.do("PATCH", keys+"moved-on", `{"expires_at":"`+time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)+`"}`)
		k.do("PATCH", keys+"moved-on", `{"expires_at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)+`"}`)
	})
	want := map[string]int{"kept": 204, "disabled": 401, "deleted": 401, "shortened": 401, "enabled-again": 204, "moved-on": 204}
	past := time.Now().Add(1100 * time.Millisecond)

	err := failure(t, restoreRun(t.Context(), restoreOptions(k.file, k.fresh())), "revocations-missing", cliutil.ExitConflict)
	if !strings.Contains(err.Hint, "--accept-resurrection") {
		t.Errorf("hint %q", err.Hint)
	}
	t.Run("elsewhere", func(t *testing.T) {
		dir := k.fresh()
		opts := restoreOptions(k.file, dir)
		opts.Revocations = filepath.Join(k.dir, revocationsFile)
		var out bytes.Buffer
		opts.Out = &out
		noError(t, restoreRun(t.Context(), opts))
		if !strings.Contains(out.String(), "4 revocations since were made again") { // three, and the expiry that moved on is one still
			t.Errorf("it says %q", out.String())
		}
		<-time.After(time.Until(past))
		k.opens(dir, want)
		again := filepath.Join(t.TempDir(), "again.bak")
		noError(t, backupRun(t.Context(), backupOptions(dir, again)))
		noError(t, restoreRun(t.Context(), func() *RestoreOptions {
			o := restoreOptions(again, k.fresh())
			o.Revocations = filepath.Join(dir, revocationsFile)
			return o
		}()))
	})
	t.Run("keys from elsewhere", func(t *testing.T) {
		opts := restoreOptions(k.file, privateDir(t))
		opts.Revocations, opts.KeysFrom = filepath.Join(k.dir, revocationsFile), k.dir
		noError(t, restoreRun(t.Context(), opts))
		k.opens(opts.DataDir, want)
	})
	t.Run("accepted", func(t *testing.T) {
		opts := restoreOptions(k.file, k.fresh())
		opts.Accept = true
		noError(t, restoreRun(t.Context(), opts))
		k.opens(opts.DataDir, map[string]int{"kept": 204, "disabled": 204, "deleted": 204})
	})
	t.Run("in place", func(t *testing.T) {
		opts := restoreOptions(k.file, k.dir)
		failure(t, restoreRun(t.Context(), opts), "data-dir-not-empty", cliutil.ExitConflict)
		opts.Force, opts.Format = true, cliutil.FormatJSON
		var out bytes.Buffer
		opts.Out = &out
		noError(t, restoreRun(t.Context(), opts))
		var said struct {
			Restore struct {
				Replayed int
				Aside    []string `json:"set_aside"`
			}
		}
		noError(t, json.Unmarshal(out.Bytes(), &said))
		if len(said.Restore.Aside) != 1 || said.Restore.Replayed != 4 {
			t.Errorf("it says %s", out.String())
		}
		for _, path := range said.Restore.Aside {
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
		k.opens(k.dir, want)
	})
}

func TestSessionsThatEndedStayEnded(t *testing.T) {
	t.Parallel()
	k := newKept(t, nil, func(k *kept, url string) { k.do("DELETE", url+"/v1/session", "") })
	opts := restoreOptions(k.file, k.fresh())
	opts.Revocations = filepath.Join(k.dir, revocationsFile)
	noError(t, restoreRun(t.Context(), opts))
	r := start(t, opts.DataDir, nil)
	if status, text := call(t, "GET", r.url+"/v1/session", k.session, ""); status != 401 {
		t.Errorf("%d %s", status, text)
	}
	r.end()
}

func TestBackupsThatAreRefused(t *testing.T) {
	t.Parallel()
	k := newKept(t, []string{"one"}, func(k *kept, url string) { k.do("POST", url+"/v1/orgs/acme/keys/one/disable", `{}`) })
	whole, err := os.ReadFile(k.file)
	noError(t, err)
	change := func(query string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			t.Helper()
			db, err := sql.Open("sqlite", file)
			noError(t, err)
			_, err = db.ExecContext(t.Context(), query)
			noError(t, errors.Join(err, db.Close()))
		}
	}
	write := func(text []byte) func(t *testing.T, file string) {
		return func(t *testing.T, file string) { t.Helper(); noError(t, os.WriteFile(file, text, 0o600)) }
	}
	damaged := bytes.Clone(whole)
	for i := range 3000 {
		damaged[len(damaged)/2+i] ^= 0xff
	}
	for name, tt := range map[string]struct {
		spoil   func(t *testing.T, file string)
		code    string
		exit    cliutil.Exit
		message string
	}{
		"not there":    {func(t *testing.T, file string) { t.Helper(); noError(t, os.Remove(file)) }, "backup-unusable", cliutil.ExitNotFound, "no such file"},
		"empty":        {write(nil), "backup-unusable", cliutil.ExitFailed, "empty"},
		"text":         {write([]byte(strings.Repeat("text ", 9000))), "backup-unusable", cliutil.ExitFailed, "not an SQLite database"},
		"half":         {write(whole[:len(whole)/2]), "backup-unusable", cliutil.ExitFailed, "damaged"},
		"bytes turned": {write(damaged), "backup-unusable", cliutil.ExitFailed, "damaged"},
		"of a newer":   {change(`UPDATE schema_migrations SET version = version + 1000`), "newer-schema", cliutil.ExitFailed, "newer version"},
		"another database": {func(t *testing.T, file string) {
			t.Helper()
			noError(t, os.Remove(file))
			change(`CREATE TABLE t (x)`)(t, file)
		}, "backup-unusable", cliutil.ExitFailed, "another program"},
		"no backup": {change(`DROP TABLE backup_note`), "backup-unusable", cliutil.ExitFailed, "no backup"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "spoilt.bak")
			noError(t, os.WriteFile(file, whole, 0o600))
			tt.spoil(t, file)
			opts := restoreOptions(file, privateDir(t))
			opts.KeysFrom, opts.Revocations = k.dir, filepath.Join(k.dir, revocationsFile)
			if err := failure(t, restoreRun(t.Context(), opts), tt.code, tt.exit); !strings.Contains(err.Message, tt.message) {
				t.Errorf("%q", err.Message)
			}
			if _, err := os.Stat(opts.DataDir); err == nil {
				t.Error("the data directory was made")
			}
		})
	}
	for name, tt := range map[string]struct {
		edit          func(o *RestoreOptions, other string)
		code, message string
	}{
		"no keys":             {func(o *RestoreOptions, _ string) { o.KeysFrom = "" }, "material-missing", "is missing"},
		"another's keys":      {func(o *RestoreOptions, other string) { o.KeysFrom = other }, "material-wrong", "not those that the backup was made with: it needs the "},
		"another's log":       {func(o *RestoreOptions, other string) { o.Revocations = filepath.Join(other, revocationsFile) }, "revocations-unusable", "does not reach back"},
		"a log that is older": {func(o *RestoreOptions, other string) { o.Revocations = filepath.Join(other, "short") }, "revocations-unusable", "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := privateDir(t)
			bootstrap(t, other)
			noError(t, os.WriteFile(filepath.Join(other, "short"), []byte("{}\n"), 0o600))
			opts := restoreOptions(k.file, privateDir(t))
			opts.KeysFrom, opts.Revocations = k.dir, filepath.Join(k.dir, revocationsFile)
			tt.edit(opts, other)
			got, ok := errors.AsType[*cliutil.Error](restoreRun(t.Context(), opts))
			if !ok || got.Code != tt.code || !strings.Contains(got.Message, tt.message) || got.Hint == "" {
				t.Errorf("%#v", got)
			}
			for left := range listing(t, opts.DataDir) {
				if left != lockFile {
					t.Errorf("%s was left", left)
				}
			}
		})
	}
}

func TestABackupTakesNoOtherFilesPlace(t *testing.T) {
	t.Parallel()
	k := newKept(t, nil, func(*kept, string) {})
	if got := mode(t, k.file); got != 0o600 {
		t.Errorf("mode %o", got)
	}
	failure(t, backupRun(t.Context(), backupOptions(k.dir, k.file)), "file-exists", cliutil.ExitConflict)
	failure(t, backupRun(t.Context(), backupOptions(k.dir, filepath.Join(k.dir, "x.bak"))), "usage", cliutil.ExitUsage)
	failure(t, backupRun(t.Context(), backupOptions(k.dir, filepath.Join(t.TempDir(), "no", "x.bak"))), "file-not-written", cliutil.ExitFailed)
	failure(t, backupRun(t.Context(), backupOptions(privateDir(t), k.file+"2")), "database-missing", cliutil.ExitNotFound)
	opts := backupOptions(k.dir, k.file)
	opts.Force, opts.Format = true, cliutil.FormatJSON
	var out bytes.Buffer
	opts.Out = &out
	noError(t, backupRun(t.Context(), opts))
	var said struct {
		Backup struct {
			File   string
			Bytes  int64
			Schema int
		}
	}
	noError(t, json.Unmarshal(out.Bytes(), &said))
	info, err := os.Stat(k.file)
	noError(t, err)
	if said.Backup.File != k.file || said.Backup.Bytes != info.Size() || said.Backup.Schema < 8 {
		t.Errorf("it says %s", out.String())
	}
	if left := listing(t, filepath.Dir(k.file)); len(left) != 1 {
		t.Errorf("files %v", left)
	}
}
