package userfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const dirVariable = "KEYFOB_TEST_USERFILE"

// TestChild is the process that TestKilled kills: it changes two files that are there and makes one that is not.
func TestChild(t *testing.T) {
	dir := os.Getenv(dirVariable)
	if dir == "" {
		t.Skip("it is for TestKilled")
	}
	runtime.LockOSThread() // strace counts the calls of a thread
	s := Store{Dir: filepath.Join(dir, "store"), Now: time.Now}
	must(t, in(t, s, func(tx *Tx) {
		for _, name := range files() {
			set(t, tx, filepath.Join(dir, name), "new", How{Private: true, Keep: true})
		}
	}))
}

func files() []string { return []string{"first", "second", "made/third"} }

// TestKilled kills the process at each call that writes, in turn. A file is the old one or the new one then, never else and
// never open to others, and the next run makes all of them the old ones again, or all are the new ones.
func TestKilled(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, call := range []string{"write", "fsync", "renameat", "renameat2", "unlinkat", "fchmod", "mkdirat"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				if n > 500 {
					t.Fatal("it is never done")
				}
				dir := t.TempDir()
				write(t, filepath.Join(dir, "first"), "old", 0o644)
				write(t, filepath.Join(dir, "second"), "old", 0o600)
				if !killed(t, strace, dir, fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)) {
					if n < 2 {
						t.Errorf("no %s was ever met: the test shows nothing", call)
					}
					check(t, dir, "new new new")
					return
				}
				state(t, dir)
				s := Store{Dir: filepath.Join(dir, "store"), Now: time.Now}
				tx, err := s.Begin(t.Context())
				must(t, err)
				tx.Close()
				if got := state(t, dir); got != "old old (none)" && got != "new new new" {
					t.Fatalf("killed at %s %d, after recovery they hold %q", call, n, got)
				}
				must(t, in(t, s, func(tx *Tx) { // and it goes on from there
					for _, name := range files() {
						set(t, tx, filepath.Join(dir, name), "new", How{Private: true})
					}
				}))
				check(t, dir, "new new new")
				none(t, dir, ".keyfob-")
			}
		})
	}
}

func check(t *testing.T, dir, want string) {
	t.Helper()
	if got := state(t, dir); got != want {
		t.Fatalf("they hold %q, want %q", got, want)
	}
}

// state is what the three files hold; what holds the new content must be closed to others.
func state(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	for _, name := range files() {
		path := filepath.Join(dir, name)
		text := read(t, path)
		if text != "old" && text != "new" && text != "(none)" {
			t.Fatalf("%s holds %q", name, text)
		}
		all = append(all, text)
	}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if data, _ := os.ReadFile(path); bytes.Equal(data, []byte("new")) && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	}))
	return strings.Join(all, " ")
}

// killed runs TestChild under strace and says whether it was killed.
func killed(t *testing.T, strace, dir, inject string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, strace, "-f", "-qq", "-o", "/dev/null", "-e", inject, os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	cmd.Env = []string{dirVariable + "=" + dir, "GORACE=atexit_sleep_ms=0", "GOMAXPROCS=1", "TMPDIR=" + dir}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatal(ctx.Err())
	}
	if err == nil {
		return false
	}
	if cmd.ProcessState.ExitCode() == 1 {
		t.Fatalf("the child failed: %s", out)
	}
	return true
}
