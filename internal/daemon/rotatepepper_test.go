package daemon

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
)

// rotatePepper runs the command and returns what it says.
func rotatePepper(t *testing.T, dir string, edit func(*RotatePepperOptions)) (string, error) {
	t.Helper()
	var out bytes.Buffer
	opts := &RotatePepperOptions{DataDir: dir, Out: &out, ErrOut: io.Discard, Now: time.Now}
	if edit != nil {
		edit(opts)
	}
	err := rotatePepperRun(t.Context(), opts)
	return out.String(), err
}

// pepperBegun takes the first steps of a rotation, as a run that is killed does.
func pepperBegun(t *testing.T, path string, steps int) {
	t.Helper()
	dir := dataDir(path)
	d, err := openDomain(t.Context(), dir, "", core.Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	noError(t, err)
	r := &pepperRotation{dir: dir, core: d.core}
	for _, step := range r.steps()[:steps] {
		noError(t, step(t.Context()))
	}
	noError(t, d.close(context.WithoutCancel(t.Context())))
}

// unseal takes a key's sealed copy away.
func unseal(t *testing.T, dir, name string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
	noError(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE secrets SET sealed = NULL WHERE key_id = (SELECT id FROM keys WHERE name = $1)`, name)
	noError(t, errors.Join(err, db.Close()))
}

// letIn wants each key to be let in.
func (k *kept) letIn(url string) {
	k.Helper()
	for name, secret := range k.secrets {
		if status, text := call(k.T, "GET", url+"/v1/authz", secret, ""); status != 204 {
			k.Errorf("%s: %d %s", name, status, text)
		}
	}
	k.do("GET", url+"/v1/orgs/acme/keys", "")
	k.do("POST", url+"/v1/orgs/acme/keys", `{"name":"k`+strconv.FormatInt(time.Now().UnixNano(), 10)+`"}`)
}

// TestPepperRotation: after each step, where a run may end for good, a service that runs and one that starts let every key in; the next
// run finishes; and the old pepper goes once what was under it has moved.
func TestPepperRotation(t *testing.T) {
	t.Parallel()
	for steps := range 5 {
		t.Run(strconv.Itoa(steps), func(t *testing.T) {
			t.Parallel()
			k := newKept(t, []string{"one", "two"}, func(*kept, string) {})
			unseal(t, k.dir, "two")
			old, err := dataDir(k.dir).readKey(pepperFile)
			noError(t, err)
			r := start(t, k.dir, nil)
			k.letIn(r.url)
			pepperBegun(t, k.dir, steps)
			k.letIn(r.url)
			r.end()
			r = start(t, k.dir, nil)
			k.letIn(r.url)
			said, err := rotatePepper(t, k.dir, nil)
			noError(t, err)
			for _, text := range []string{
				"the pepper is ", "needed still: " + filepath.Join(k.dir, pepperKind().named(core.PepperID(old))), ", whatever was sent before, until ",
			} {
				if !strings.Contains(said, text) {
					t.Errorf("it does not say %q: %s", text, said)
				}
			}
			k.letIn(r.url)
			r.end()
			now, err := dataDir(k.dir).readKey(pepperFile)
			noError(t, err)
			if old == now {
				t.Error("pepper.key is the old one")
			}
			if names, err := dataDir(k.dir).others(pepperKind()); err != nil || len(names) != 2 {
				t.Errorf("%d peppers have a file, %v", len(names), err)
			}
			found, err := examined(t, k.dir, time.Now)
			noError(t, err)
			if f := found["peppers"]; f.Status != checkOK || !strings.Contains(f.Detail, core.PepperID(now)) || !strings.Contains(f.Detail, core.PepperID(old)) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestAnOldPepperGoes once nothing is under it, and the service then needs the new one alone.
func TestAnOldPepperGoes(t *testing.T) {
	t.Parallel()
	k := newKept(t, []string{"one", "two"}, func(*kept, string) {})
	unseal(t, k.dir, "two")
	old, err := dataDir(k.dir).readKey(pepperFile)
	noError(t, err)
	said, err := rotatePepper(t, k.dir, nil)
	noError(t, err)
	want := `(?s)^the pepper is [0-9a-f]{16} now, in \S+/pepper.key: copy it to where you keep it; 1 secret got digests under it\n` +
		`needed still: \S+/pepper-` + core.PepperID(old) + `.key: ` + core.PepperID(old) +
		` for 1 secret without a sealed copy, 1 session, whatever was sent before, until \S+Z\nrun it again later: [^\n]*\n$`
	if !regexp.MustCompile(want).MatchString(said) {
		t.Errorf("it says %s", said)
	}
	nextDay := func() time.Time { return time.Now().Add(26 * time.Hour) }
	later := func(o *RotatePepperOptions) { o.Now = nextDay }
	said, err = rotatePepper(t, k.dir, func(o *RotatePepperOptions) { o.Format = cliutil.FormatJSON })
	noError(t, err)
	want = `^\{"pepper":\{"id":"[0-9a-f]{16}","file":"[^"]+/pepper-[0-9a-f]{16}\.key"\},"moved":0,"needed":\[\{"id":"` + core.PepperID(old) +
		`","file":"[^"]+","kept_until":"[^"]+Z","uses":\{"secret":1,"session":1\}\}\],"dropped":\[\]\}$`
	var line bytes.Buffer
	noError(t, json.Compact(&line, []byte(said)))
	if !regexp.MustCompile(want).MatchString(line.String()) {
		t.Errorf("it says %s", said)
	}
	said, err = rotatePepper(t, k.dir, later)
	noError(t, err)
	if !strings.Contains(said, "for 1 secret without a sealed copy, 1 session\n") {
		t.Errorf("it says %s", said)
	}
	r := start(t, k.dir, func(o *ServeOptions) { o.Now = nextDay })
	k.letIn(r.url)
	for deadline := time.Now().Add(wait); !strings.Contains(said, "not needed any more"); { // what is presented moves within seconds
		if time.Now().After(deadline) {
			t.Fatal(said)
		}
		<-time.After(100 * time.Millisecond)
		said, err = rotatePepper(t, k.dir, later)
		noError(t, err)
	}
	noError(t, os.Remove(filepath.Join(k.dir, pepperKind().named(core.PepperID(old)))))
	k.letIn(r.url)
	r.end()
	r = start(t, k.dir, nil)
	k.letIn(r.url)
	r.end()
}

// TestFurtherPeppers: with --another a rotation begins while one from before is needed, up to a number.
func TestFurtherPeppers(t *testing.T) {
	t.Parallel()
	k := newKept(t, []string{"one"}, func(*kept, string) {})
	_, err := rotatePepper(t, k.dir, func(o *RotatePepperOptions) { o.Copied = true })
	failure(t, err, "usage", cliutil.ExitUsage)
	unseal(t, k.dir, "one")
	another := func(o *RotatePepperOptions) { o.Another = true }
	ids := map[string]bool{}
	for range 3 {
		_, err := rotatePepper(t, k.dir, another)
		noError(t, err)
		key, err := dataDir(k.dir).readKey(pepperFile)
		noError(t, err)
		ids[core.PepperID(key)] = true
		_, err = rotatePepper(t, k.dir, nil)
		noError(t, err)
		if again, err := dataDir(k.dir).readKey(pepperFile); err != nil || again != key {
			t.Errorf("without it another is begun, %v", err)
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d peppers", len(ids))
	}
	_, err = rotatePepper(t, k.dir, another)
	failure(t, err, "too-many-peppers", cliutil.ExitConflict)
	k.opensChecked()
	for id := range ids { // any of them missing is told by its file's name
		path := filepath.Join(k.dir, pepperKind().named(id))
		noError(t, os.Rename(path, path+".away"))
		current, err := dataDir(k.dir).readKey(pepperFile)
		noError(t, err)
		if core.PepperID(current) == id {
			noError(t, os.Rename(path+".away", path))
			continue
		}
		err = serveRun(t.Context(), serveOptions(k.dir))
		if e := failure(t, err, "material-wrong", cliutil.ExitFailed); !strings.Contains(e.Message, path) {
			t.Errorf("it says %s", e.Message)
		}
		found, err := examined(t, k.dir, time.Now)
		failure(t, err, "unsound", cliutil.ExitFailed)
		if f := found["keys"]; f.Status != checkFail || !strings.Contains(f.Detail, path) {
			t.Errorf("%+v", f)
		}
		noError(t, os.Rename(path+".away", path))
	}
	k.opensChecked()
}

func (k *kept) opensChecked() {
	k.Helper()
	r := start(k.T, k.dir, nil)
	k.letIn(r.url)
	r.end()
}

// TestBackupsAndPeppers: a backup from before a rotation, and one from within, open with the peppers that they name, and with no others.
func TestBackupsAndPeppers(t *testing.T) {
	t.Parallel()
	k := newKept(t, []string{"one", "two"}, func(*kept, string) {})
	unseal(t, k.dir, "two")
	old, err := dataDir(k.dir).readKey(pepperFile)
	noError(t, err)
	before := k.fresh()
	_, err = rotatePepper(t, k.dir, nil)
	noError(t, err)
	within := filepath.Join(t.TempDir(), "within.bak")
	noError(t, backupRun(t.Context(), backupOptions(k.dir, within)))
	restore := func(file, keys string) (string, error) {
		opts := restoreOptions(file, privateDir(t))
		opts.KeysFrom, opts.Revocations = keys, filepath.Join(k.dir, revocationsFile)
		return opts.DataDir, restoreRun(t.Context(), opts)
	}
	for _, tt := range []struct {
		file, keys string
		missing    string // the file that is named; empty: it opens
	}{
		{k.file, before, ""},
		{k.file, k.dir, ""},
		{within, k.dir, ""},
		{within, before, pepperKind().named("")},
	} {
		dir, err := restore(tt.file, tt.keys)
		if tt.missing != "" {
			e := failure(t, err, "material-wrong", cliutil.ExitFailed)
			if !regexp.MustCompile(`it needs the pepper [0-9a-f]{16}, but neither is it pepper.key nor is there ` + regexp.QuoteMeta(tt.keys) + `/pepper-[0-9a-f]{16}\.key`).
				MatchString(e.Message) {
				t.Errorf("it says %s", e.Message)
			}
			continue
		}
		noError(t, err)
		restored := *k
		restored.dir = dir
		restored.opensChecked()
	}
	noError(t, os.Remove(filepath.Join(k.dir, pepperKind().named(core.PepperID(old)))))
	_, err = restore(k.file, k.dir)
	failure(t, err, "material-wrong", cliutil.ExitFailed)
}
