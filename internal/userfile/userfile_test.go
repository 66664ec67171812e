package userfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newStore(tb testing.TB) Store {
	tb.Helper()
	return Store{Dir: filepath.Join(tb.TempDir(), "store"), Now: time.Now}
}

func write(tb testing.TB, path, text string, mode fs.FileMode) {
	tb.Helper()
	must(tb, os.WriteFile(path, []byte(text), 0o600))
	must(tb, os.Chmod(path, mode))
}

func read(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "(none)"
	}
	must(tb, err)
	return string(data)
}

// in runs work in a Tx and commits it.
func in(tb testing.TB, s Store, work func(*Tx)) error {
	tb.Helper()
	tx, err := s.Begin(tb.Context())
	must(tb, err)
	defer tx.Close()
	work(tx)
	_, err = tx.Commit(tb.Context(), "a test")
	return err
}

// set has a file hold text.
func set(tb testing.TB, tx *Tx, path, text string, how How) {
	tb.Helper()
	f, err := tx.Read(path)
	must(tb, err)
	tx.Write(f, []byte(text), how)
}

func TestCommit(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t), t.TempDir()
	old, fresh, shared := filepath.Join(dir, "old"), filepath.Join(dir, "a", "b", "new"), filepath.Join(dir, "shared")
	write(t, old, "1", 0o644)
	write(t, shared, "1", 0o640)
	must(t, in(t, s, func(tx *Tx) {
		set(t, tx, old, "2", How{Private: true, Keep: true})
		set(t, tx, fresh, "2", How{Private: true})
		set(t, tx, shared, "x", How{})
		set(t, tx, shared, "2", How{}) // what was staged is what is read
	}))
	for path, mode := range map[string]fs.FileMode{old: 0o600, fresh: 0o600, shared: 0o640, s.Copy(old): 0o600, filepath.Dir(fresh): 0o700 | fs.ModeDir} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode() != mode {
			t.Errorf("%s has the mode %v, want %v", path, info.Mode(), mode)
		}
	}
	if got := read(t, old) + read(t, fresh) + read(t, shared) + read(t, s.Copy(old)); got != "2221" {
		t.Errorf("old, new, shared and the copy hold %q", got)
	}
	undo(t, s)
	if got := read(t, old) + read(t, fresh) + read(t, shared); got != "1(none)1" {
		t.Errorf("taken back they hold %q", got)
	}
	info, err := os.Stat(old)
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, fs.ErrNotExist) || info.Mode() != 0o644 {
		t.Errorf("the folders that were made: %v, the mode %v", err, info.Mode())
	}
	none(t, dir, ".keyfob-")
}

func undo(t *testing.T, s Store) {
	t.Helper()
	must(t, in(t, s, func(tx *Tx) {
		last, err := tx.Last()
		must(t, err)
		if last.State != stateDone || last.What != "a test" {
			t.Fatalf("%+v", last)
		}
		for _, p := range last.Files {
			f, err := tx.Read(p.Path)
			must(t, err)
			if !f.Untouched(p) {
				t.Fatalf("%s counts as touched", p.Path)
			}
			must(t, tx.Restore(last, f, p))
		}
	}))
}

// none holds that no file below the folder has the text in its name.
func none(t *testing.T, dir, text string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(filepath.Base(path), text) {
			t.Errorf("%s was left", path)
		}
		return err
	}))
}

func TestAllOrNone(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t), t.TempDir()
	first, second, last := filepath.Join(dir, "first"), filepath.Join(dir, "made", "second"), filepath.Join(dir, "last")
	write(t, first, "1", 0o644)
	write(t, last, "1", 0o600)
	err := in(t, s, func(tx *Tx) {
		set(t, tx, first, "2", How{Private: true})
		set(t, tx, second, "2", How{})
		set(t, tx, last, "2", How{})
		write(t, last, "3", 0o600) // another program, after it was read
	})
	if !errors.Is(err, ErrChanged) {
		t.Fatalf("got %v, want %v", err, ErrChanged)
	}
	if got := read(t, first) + read(t, second) + read(t, last); got != "1(none)3" {
		t.Errorf("they hold %q", got)
	}
	if _, err := os.Stat(filepath.Dir(second)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder that was made: %v", err)
	}
	if info, err := os.Stat(first); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestDiedHalfway holds that what a process left halfway is put back by the next.
func TestDiedHalfway(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t), t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	write(t, first, "1", 0o600)
	tx, err := s.Begin(t.Context())
	must(t, err)
	set(t, tx, first, "2", How{})
	set(t, tx, second, "2", How{})
	must(t, s.begin(tx.record("a test"), tx.changes))
	must(t, tx.changes[0].apply(t.Context()))
	must(t, tx.changes[1].apply(t.Context()))
	tx.Close()

	tx, err = s.Begin(t.Context())
	must(t, err)
	defer tx.Close()
	if got := read(t, first) + read(t, second); got != "1(none)" || len(tx.Recovered) != 2 {
		t.Errorf("they hold %q, recovered %q", got, tx.Recovered)
	}
	if last, err := tx.Last(); err != nil || last.State != "" {
		t.Errorf("%+v, %v", last, err)
	}
}

func TestLinksStay(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t), t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "dotfiles"), 0o700))
	target, folder, link := filepath.Join(dir, "dotfiles", "x.json"), filepath.Join(dir, "folder"), filepath.Join(dir, "x.json")
	write(t, target, "1", 0o600)
	must(t, os.Symlink("dotfiles", folder))
	must(t, os.Symlink(filepath.Join("folder", "x.json"), link))
	must(t, in(t, s, func(tx *Tx) {
		set(t, tx, link, "2", How{})
		f, err := tx.Read(target) // the same file by another name
		must(t, err)
		tx.Write(f, append(f.Data, '3'), How{})
	}))
	if got := read(t, target); got != "23" {
		t.Errorf("it holds %q", got)
	}
	if to, err := os.Readlink(link); err != nil || to != filepath.Join("folder", "x.json") {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

// TestTogether holds that many writers lose nothing of each other's, whether they share a Store or not.
func TestTogether(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t), t.TempDir()
	path := filepath.Join(dir, "file")
	const writers, rounds = 8, 20
	var all sync.WaitGroup
	for i := range writers {
		own := s
		if i%2 == 0 {
			own = newStore(t)
		}
		all.Go(func() {
			for range rounds {
				for {
					err := in(t, own, func(tx *Tx) {
						f, err := tx.Read(path)
						must(t, err)
						tx.Write(f, append(f.Data, byte('a'+i)), How{})
					})
					if err == nil {
						break
					}
					if !errors.Is(err, ErrChanged) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	got := read(t, path)
	for i := range writers {
		if n := strings.Count(got, string(rune('a'+i))); n != rounds {
			t.Errorf("writer %d: %d of %d are left", i, n, rounds)
		}
	}
	none(t, dir, ".keyfob-")
}

func TestBusy(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tx, err := s.Begin(t.Context())
	must(t, err)
	defer tx.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Begin(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNoRoom(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root writes into any folder")
	}
	s, dir := newStore(t), t.TempDir()
	path := filepath.Join(dir, "file")
	write(t, path, "1", 0o600)
	must(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	err := in(t, s, func(tx *Tx) { set(t, tx, path, "2", How{}) })
	if !errors.Is(err, fs.ErrPermission) || read(t, path) != "1" {
		t.Errorf("got %v, and it holds %q", err, read(t, path))
	}
}
