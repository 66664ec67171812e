package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
)

func rotateMaster(t *testing.T, dir string) string {
	t.Helper()
	var out bytes.Buffer
	noError(t, rotateMasterKeyRun(t.Context(), &RotateMasterKeyOptions{DataDir: dir, Out: &out, ErrOut: io.Discard, Now: time.Now}))
	return out.String()
}

// TestMasterKeyRotation: after each step, where a run may end for good, a service that runs and one that starts open everything and make
// organisations; the next run finishes, and then the old key is not needed.
func TestMasterKeyRotation(t *testing.T) {
	t.Parallel()
	for steps := range 5 {
		t.Run(strconv.Itoa(steps), func(t *testing.T) {
			t.Parallel()
			k := newKept(t, []string{"one"}, func(*kept, string) {})
			old, err := os.ReadFile(filepath.Join(k.dir, masterFile))
			noError(t, err)
			r := start(t, k.dir, nil)
			opens := func(url string) {
				t.Helper()
				if text := k.do("POST", url+"/v1/orgs/acme/keys/one/reveal", `{"purpose":"copy"}`); !strings.Contains(text, k.secrets["one"]) {
					t.Errorf("another secret: %s", text)
				}
				k.do("POST", url+"/v1/orgs/acme/keys", `{"name":"k`+strconv.FormatInt(time.Now().UnixNano(), 10)+`"}`)
			}
			opens(r.url)
			begun(t, k.dir, steps)
			opens(r.url)
			r.end()
			k.opens(k.dir, map[string]int{"one": 204})

			r = start(t, k.dir, nil)
			if said := rotateMaster(t, k.dir); !strings.Contains(said, "master key is") {
				t.Errorf("it says %q", said)
			}
			opens(r.url)
			r.end()
			now, err := os.ReadFile(filepath.Join(k.dir, masterFile))
			noError(t, err)
			if bytes.Equal(old, now) {
				t.Error("master.key is the old one")
			}
			for name := range listing(t, k.dir) { // the old one is for backups alone
				if other, _ := filepath.Match(masterKind().named("*"), name); other {
					noError(t, os.Remove(filepath.Join(k.dir, name)))
				}
			}
			k.opens(k.dir, map[string]int{"one": 204})
			found, err := examined(t, k.dir, time.Now)
			noError(t, err)
			if found["secrets"].Status != checkOK {
				t.Errorf("%+v", found["secrets"])
			}
		})
	}
}

// begun takes the first steps of a rotation, as a run that is killed does.
func begun(t *testing.T, path string, steps int) {
	t.Helper()
	dir := dataDir(path)
	d, err := openDomain(t.Context(), dir, "", core.Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	noError(t, err)
	r := &masterRotation{dir: dir, core: d.core}
	for _, step := range r.steps()[:steps] {
		noError(t, step(t.Context()))
	}
	noError(t, d.close(context.WithoutCancel(t.Context())))
}

// TestABackupFromBeforeARotation opens with the key that was kept.
func TestABackupFromBeforeARotation(t *testing.T) {
	t.Parallel()
	k := newKept(t, []string{"one"}, func(*kept, string) {})
	rotateMaster(t, k.dir)
	opts := restoreOptions(k.file, privateDir(t))
	opts.KeysFrom, opts.Revocations = k.dir, filepath.Join(k.dir, revocationsFile)
	noError(t, restoreRun(t.Context(), opts))
	k.opens(opts.DataDir, map[string]int{"one": 204})
	rotateMaster(t, opts.DataDir)
	k.opens(opts.DataDir, map[string]int{"one": 204})
}
