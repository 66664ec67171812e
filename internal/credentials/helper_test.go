//go:build unix

package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// TestHelperProtocol: what the helper is given, to the letter.
func TestHelperProtocol(t *testing.T) {
	t.Parallel()
	ctx, dir, token := t.Context(), t.TempDir(), secret.New(secret.Session)
	s := New(Config{Environ: helperEnv(
		"works", dir, "KEYFOB_TOKEN=kfs_canary", "KEYFOB_PASSPHRASE=canary", "Keyfob_Token=canary", "KEYFOB_URL=https://x", "A=b=c",
	)})
	ref := in(Choice{KindHelper, myself(t)})
	if _, err := s.Put(ctx, ref, token); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Get(ctx, ref); err != nil || got != token {
		t.Fatalf("Get = %v, %v", got, err)
	}
	if _, err := s.Delete(ctx, ref); err != nil {
		t.Fatal(err)
	}
	const who = `{"origin":"https://keys.example.com","context":"work"`
	value, err := json.Marshal(mustEncode(t, origin, token))
	must(t, err)
	want := []struct{ verb, input string }{
		{"store", who + `,"secret":` + string(value) + "}\n"},
		{"get", who + "}\n"},
		{"get", who + "}\n"},
		{"erase", who + "}\n"},
		{"get", who + "}\n"},
	}
	got := calls(t, dir)
	if len(got) != len(want) {
		t.Fatalf("%d calls, want %d", len(got), len(want))
	}
	for i, c := range got {
		if !slices.Equal(c.Args, []string{want[i].verb}) || c.Input != want[i].input {
			t.Errorf("call %d: %q with %d bytes, want %q with %d", i, c.Args, len(c.Input), want[i].verb, len(want[i].input))
		}
		all := strings.Join(c.Environ, "\n")
		if strings.Contains(all, "canary") || !strings.Contains(all, "KEYFOB_URL=https://x\nA=b=c") {
			t.Errorf("call %d: the environment is wrong", i)
		}
	}
}

func TestHelperThatFails(t *testing.T) {
	t.Parallel()
	const byHand = "by running it yourself, or set KEYFOB_TOKEN"
	mine := secret.New(secret.Session)
	self := "the credential helper " + myself(t)
	for _, tc := range []struct {
		mode, op     string
		reason, hint string
	}{
		{"get-fails", "get", self + " failed: the vault is sealed [2J", byHand},
		{"get-quiet", "get", self + " failed: exit status 3", byHand},
		{"get-echoes", "get", "failed: can't understand {\"origin\"", byHand},
		{"get-loud", "get", "failed: " + strings.Repeat("é", 200) + "…", byHand},
		{"get-junk", "get", `answered get with something other than {"secret":"…"}`, byHand},
		{"get-empty", "get", "answered get with something other than", byHand},
		{"get-other", "get", "answered get with something other than", byHand},
		{"get-two", "get", "answered get with something other than", byHand},
		{"get-floods", "get", "answered get with more than 16384 bytes", byHand},
		{"get-lies", "get", self + " can't be used: it holds no session that keyfob wrote", "keyfob auth login"},
		{"get-nothing", "get", "not signed in: no session is stored", "keyfob auth login"},
		{"get-blank", "get", "not signed in: no session is stored", "keyfob auth login"},
		{"store-fails", "put", "failed: the vault is sealed", byHand},
		{"store-echoes", "put", "failed: can't understand (hidden)", byHand},
		{"store-nothing", "put", "was not stored: " + self + " took it and holds nothing", "try again"},
		{"get-lies", "put", "was not stored: " + self + " holds another value", "try again"},
		{"get-fails", "put", "may not be stored: " + self + " took it, then: " + self + " failed", byHand},
		{"erase-fails", "delete", "failed: the vault is sealed", byHand},
		{"erase-nothing", "delete", "was not removed: " + self + " still holds it", "the helper's own program"},
		{"get-fails", "delete", "failed: the vault is sealed", byHand},
	} {
		t.Run(tc.mode+" "+tc.op, func(t *testing.T) {
			t.Parallel()
			ctx, dir, ref := t.Context(), t.TempDir(), in(Choice{KindHelper, myself(t)})
			if tc.op == "delete" {
				_, err := New(Config{Environ: helperEnv("works", dir)}).Put(ctx, ref, mine)
				must(t, err)
			}
			s := New(Config{Environ: helperEnv(tc.mode, dir)})
			var err error
			switch tc.op {
			case "get":
				_, _, err = s.Get(ctx, ref)
			case "put":
				_, err = s.Put(ctx, ref, mine)
			case "delete":
				_, err = s.Delete(ctx, ref)
			}
			place := KindHelper
			if none := strings.HasPrefix(tc.reason, "not signed in"); none {
				place = ""
			}
			wantError(t, err, tc.op, place, tc.reason, tc.hint)
			wantNoLeak(t, err, mine.Reveal()[4:])
			if errors.Is(err, ErrNone) != (place == "") || errors.Is(err, ErrUnavailable) {
				t.Errorf("the error is of the wrong kind: %v", err)
			}
		})
	}
}

func TestHelperThatDoesNotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	must(t, os.WriteFile(text, []byte("no program"), 0o600))
	for _, tc := range []struct{ name, helper, reason string }{
		{"not on PATH", "keyfob-no-such-helper", "there is no such program on PATH"},
		{"with arguments", "/bin/echo hello", `the credential helper "/bin/echo hello" can't be run`},
		{"with a shell's words", "cat; rm -rf x", "there is no such program on PATH"},
		{"no file", filepath.Join(dir, "gone"), "no such file or directory"},
		{"no program", text, "permission denied"},
		{"a folder", dir, "can't be run: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, ref := New(Config{}), in(Choice{KindHelper, tc.helper})
			_, _, err := s.Get(t.Context(), ref)
			wantError(t, err, "get", KindHelper, tc.reason, "a helper takes no arguments")
			_, err = s.Put(t.Context(), ref, secret.New(secret.Session))
			wantError(t, err, "put", KindHelper, tc.reason, "choose another place")
			if errors.Is(err, ErrNone) {
				t.Error("a failure is ErrNone")
			}
		})
	}
}

// A helper need not read what it does not need.
func TestHelperThatIsDeaf(t *testing.T) {
	t.Parallel()
	s := New(Config{Environ: helperEnv("deaf", t.TempDir())})
	if _, _, err := s.Get(t.Context(), in(Choice{KindHelper, myself(t)})); !errors.Is(err, ErrNone) {
		t.Errorf("Get: %v, want ErrNone", err)
	}
}

// TestHelperThatHangs: it is killed with all of its processes, when its time is over and when the command is cancelled.
func TestHelperThatHangs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mode   string
		cancel bool
	}{{"get-hangs", false}, {"get-hangs", true}, {"get-child", false}, {"get-child", true}} {
		t.Run(fmt.Sprintf("%s, cancelled %v", tc.mode, tc.cancel), func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cfg := Config{Environ: helperEnv(tc.mode, l.dir), HelperTimeout: 300 * time.Millisecond}
			if tc.cancel {
				cfg.HelperTimeout = 0 // a minute
			}
			done := make(chan error, 1)
			go func() {
				_, _, err := New(cfg).Get(ctx, in(Choice{KindHelper, myself(t)}))
				done <- err
			}()
			if tc.cancel {
				l.waitForStart(t)
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("Get: %v, want context.Canceled", err)
				}
			} else {
				wantError(t, <-done, "get", KindHelper, "did not answer get within 300ms", "KEYFOB_TOKEN")
			}
			l.waitForDeath(t)
		})
	}
}

// A helper may leave a process behind, such as an agent, which keeps its stdout open and lives on.
func TestHelperThatLeavesAChild(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	s := New(Config{Environ: helperEnv("get-leaves", l.dir)})
	if _, _, err := s.Get(t.Context(), in(Choice{KindHelper, myself(t)})); !errors.Is(err, ErrNone) {
		t.Errorf("Get: %v, want ErrNone", err)
	}
	l.waitForStart(t)
	must(t, l.end.Close())
	l.waitForDeath(t)
}

// life is what a test knows of the processes that wait in waitForEnd: that one has started, and that none is left.
type life struct {
	dir   string
	start *os.File // a byte comes with each that starts
	end   *os.File // open as long as they may live
}

func newLife(t *testing.T) *life {
	t.Helper()
	l := &life{dir: t.TempDir()}
	for name, file := range map[string]**os.File{"start": &l.start, "end": &l.end} {
		path := filepath.Join(l.dir, name)
		must(t, syscall.Mkfifo(path, 0o600))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		t.Cleanup(func() { _ = f.Close() })
		*file = f
	}
	return l
}

func (l *life) waitForStart(t *testing.T) {
	t.Helper()
	must(t, l.start.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err := l.start.Read(make([]byte, 1))
	must(t, err)
}

// waitForDeath returns when no process holds the lock any more.
func (l *life) waitForDeath(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(l.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	free := make(chan error, 1)
	go func() {
		free <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		_ = f.Close()
	}()
	select {
	case err := <-free:
		must(t, err)
	case <-time.After(time.Minute):
		t.Fatal("a process of the helper lives on")
	}
}

// waitForEnd is the other side of a life: it returns when the test that made the life is over.
func waitForEnd(dir string) int {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return refuse("%v", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH); err != nil {
		return refuse("%v", err)
	}
	end, err := os.Open(filepath.Join(dir, "end"))
	if err != nil {
		return refuse("%v", err)
	}
	defer func() { _ = end.Close() }()
	start, err := os.OpenFile(filepath.Join(dir, "start"), os.O_WRONLY, 0)
	if err != nil {
		return refuse("%v", err)
	}
	_, _ = start.Write([]byte{1})
	_ = start.Close()
	_, _ = io.Copy(io.Discard, end)
	return 0
}

// calls returns what the helper was given, in order.
func calls(t *testing.T, dir string) []call {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "call-*"))
	must(t, err)
	all := make([]call, len(paths))
	for i, path := range paths {
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, json.Unmarshal(data, &all[i]))
	}
	return all
}
