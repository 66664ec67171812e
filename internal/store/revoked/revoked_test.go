package revoked

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

func session(id string) []store.Revocation {
	return []store.Revocation{{What: store.RevokedSession, SessionID: id}}
}

func opened(t *testing.T) *Log {
	t.Helper()
	l, err := Open(t.Context(), filepath.Join(t.TempDir(), "revocations.log"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *Log) must(t *testing.T, list ...store.Revocation) int64 {
	t.Helper()
	n, err := l.Append(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// after reads what came after a position, and returns what each line is about.
func (l *Log) after(t *testing.T, at Position) []string {
	t.Helper()
	h, err := Read(l.path)
	if err != nil {
		t.Fatal(err)
	}
	list, err := h.After(at)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, r := range list {
		got = append(got, r.What+" "+r.KeyID+r.SessionID)
	}
	return got
}

func TestWhatCameAfter(t *testing.T) {
	t.Parallel()
	l := opened(t)
	start, err := l.Tail(t.Context())
	if err != nil || start.N != 1 {
		t.Fatal(start, err)
	}
	l.must(t, session("a")...)
	middle, err := l.Tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := store.Revocation{What: store.RevokedKeyOpened, KeyID: "lost"}
	l.must(t, key)
	key.KeyID = "kept"
	l.must(t, store.Revocation{What: store.RevocationConfirm, Of: l.must(t, key)})
	for at, want := range map[Position]string{
		start:  "session a,key-opened kept",
		middle: "key-opened kept",
	} {
		if got := strings.Join(l.after(t, at), ","); got != want {
			t.Errorf("after %d: %s, want %s", at.N, got, want)
		}
	}
	// the database went back to how it was at the start: what was opened since is closed again
	l.must(t, store.Revocation{What: store.RevocationRestored, Of: start.N})
	key.KeyID = "again"
	l.must(t, store.Revocation{What: store.RevocationConfirm, Of: l.must(t, key)})
	if got := strings.Join(l.after(t, start), ","); got != "session a,key-opened again" {
		t.Errorf("after a restore: %s", got)
	}
	h, err := Read(l.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]Position{"beyond": {N: 99, Sum: start.Sum}, "another log's": {N: 1, Sum: middle.Sum}, "none": {}} {
		if _, err := h.After(at); !errors.Is(err, ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamageIsSeen(t *testing.T) {
	t.Parallel()
	l := opened(t)
	for _, id := range []string{"s_one", "s_two", "s_three", "s_four"} {
		l.must(t, session(id)...)
	}
	whole, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	join := func(list ...[]byte) []byte { return bytes.Join(list, nil) }
	for name, text := range map[string][]byte{
		"a letter":           bytes.Replace(whole, []byte("s_two"), []byte("s_tow"), 1),
		"a line is missing":  join(lines[0], lines[1], lines[3], lines[4]),
		"the first, too":     join(lines[1:]...),
		"two are swapped":    join(lines[0], lines[2], lines[1], lines[3], lines[4]),
		"one stands twice":   join(lines[0], lines[1], lines[1], lines[2], lines[3], lines[4]),
		"an empty line":      join(lines[0], []byte("\n"), join(lines[1:]...)),
		"half a line within": join(lines[0], lines[1][:40], []byte("\n"), join(lines[2:]...)),
		"no text":            []byte(strings.Repeat("\x00", 9000) + "\n"),
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHalfALineIsNoLine(t *testing.T) {
	t.Parallel()
	l := opened(t)
	start, err := l.Tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.must(t, session("a")...)
	whole, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path, whole[:len(whole)-9], 0o600); err != nil { // as a power cut leaves it
		t.Fatal(err)
	}
	if h, err := Read(l.path); err != nil || !h.Torn || h.Tail() != start {
		t.Errorf("%+v, %v", h, err)
	}
	l.must(t, session("b")...)
	if got := strings.Join(l.after(t, start), ","); got != "session b" {
		t.Errorf("after: %s", got)
	}
}

func TestADamagedEndIsRefused(t *testing.T) {
	t.Parallel()
	l := opened(t)
	if err := os.WriteFile(l.path, []byte("no line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), session("a")); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), l.path) {
		t.Errorf("%v", err)
	}
}

func TestManyWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations.log")
	const writers, each = 4, 25
	var group sync.WaitGroup
	for range writers {
		group.Go(func() { // a Log each, as processes have
			l, err := Open(t.Context(), path, time.Now)
			if err != nil {
				t.Error(err)
				return
			}
			for range each {
				if _, err := l.Append(t.Context(), session("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	h, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Tail().N; got != writers*each+1 {
		t.Errorf("%d lines", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
