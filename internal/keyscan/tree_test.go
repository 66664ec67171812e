package keyscan_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/keyscan"
)

func TestTreeOfARepository(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	k := newKeys("tracked", "subfolder", "deleted", "untracked", "env", "deepenv", "log", "modules")
	r.write(t, ".gitignore", "*.log\n.env*\nignored/\nnode_modules/\n")
	r.write(t, "b.txt", "x\n  "+k.text("tracked")+" "+k.text("tracked"))
	r.write(t, "a/odd\n\"n\u00e9", k.text("subfolder"))
	r.write(t, "gone", k.text("deleted"))
	r.commit(t, "one")
	if err := os.Remove(filepath.Join(r.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	r.write(t, "new", k.text("untracked"))
	r.write(t, ".env.local", "K="+k.text("env"))
	r.write(t, "ignored/deep/.env", k.text("deepenv"))
	r.write(t, "x.log", k.text("log"))
	r.write(t, "node_modules/m/.env", k.text("modules"))

	found, stats := r.tree(t)
	k.same(t, found,
		`subfolder "a/odd\n\"né" 1:1 tracked`,
		`tracked "b.txt" 2:3 tracked`,
		`tracked "b.txt" 2:45 tracked`,
		`untracked "new" 1:1`,
		`env ".env.local" 1:3 ignored`,
		`deepenv "ignored/deep/.env" 1:1 ignored`,
	)
	if stats.Files != 6 || stats.Binary != 0 || stats.Unreadable != 0 {
		t.Errorf("%+v", stats)
	}

	r.dir = filepath.Join(r.dir, "a")
	found, _ = r.tree(t)
	k.same(t, found, `subfolder "odd\n\"né" 1:1 tracked`)
	top, err := r.scanner().Root(t.Context(), r.dir)
	if want, _ := filepath.EvalSymlinks(filepath.Dir(r.dir)); err != nil || top != want {
		t.Errorf("Root = %q, %v, want %q", top, err, want)
	}

	r.dir = filepath.Join(filepath.Dir(r.dir), "ignored") // git knows nothing of what is in it
	found, _ = r.tree(t)
	k.same(t, found, `deepenv "deep/.env" 1:1`)
}

func TestTreeOfAFolder(t *testing.T) {
	t.Parallel()
	r := newFolder(t)
	k := newKeys("a", "b", "outside", "linked", "modules", "large", "binary", "utf16")
	outside := t.TempDir()
	r.write(t, "b/c", k.text("b"))
	r.write(t, "a", k.text("a"))
	r.write(t, "node_modules/x", k.text("modules"))
	r.write(t, "large", strings.Repeat(" ", 10<<20)+k.text("large"))
	r.write(t, "binary", "\x00\x01\x02\x00"+k.text("binary"))
	r.write(t, "wide", string(toUTF16("a\n"+k.text("utf16"), false, false)))
	if err := os.WriteFile(filepath.Join(outside, "x"), []byte(k.text("outside")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": outside, "file": filepath.Join(outside, "x"), "loop": ".", "in": "b/c"} {
		if err := os.Symlink(target, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	found, stats := r.tree(t)
	k.same(t, found, `a "a" 1:1`, `b "b/c" 1:1`, `utf16 "wide" 2:1`)
	if stats.Files != 3 || stats.Binary != 1 || stats.Large != 1 || stats.Unreadable != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestTreeLeavesPipesAlone: opening one would wait for a writer.
func TestTreeLeavesPipesAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no named pipes in folders")
	}
	r := newFolder(t)
	mkfifo(t, filepath.Join(r.dir, "pipe"))
	if found, stats := r.tree(t); len(found) != 0 || stats.Files != 0 {
		t.Errorf("%d found, %+v", len(found), stats)
	}
}

// TestTreeDoesNotLeaveTheFolder through a link that took the place of a tracked folder.
func TestTreeDoesNotLeaveTheFolder(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.write(t, "d/x", "x")
	r.commit(t, "one")
	outside := newFolder(t)
	outside.write(t, "x", fixed)
	if err := os.RemoveAll(filepath.Join(r.dir, "d")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside.dir, filepath.Join(r.dir, "d")); err != nil {
		t.Fatal(err)
	}
	if found, stats := r.tree(t); len(found) != 0 || stats.Unreadable != 1 || stats.Files != 0 {
		t.Errorf("%d found, %+v", len(found), stats)
	}
}

// TestASecretInAPath is found and masked.
func TestASecretInAPath(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	k := newKeys("name", "inside")
	r.write(t, "dir/"+k.text("name")+".txt", k.text("inside"))
	commit := r.commit(t, "one")
	path := `"dir/` + k["name"].Hint() + `.txt"`
	found, _ := r.tree(t)
	k.same(t, found, "name "+path+" 0:0 tracked", "inside "+path+" 1:1 tracked")
	found, _ = r.history(t)
	k.same(t, found, "name "+path+" 0:0 "+commit+" tracked", "inside "+path+" 1:1 "+commit+" tracked")
}

func TestTreeInConflict(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	k := newKeys("ours", "theirs")
	r.write(t, "f", "base")
	r.commit(t, "base")
	r.git(t, "checkout", "-q", "-b", "side")
	r.write(t, "f", k.text("theirs"))
	r.commit(t, "side")
	r.git(t, "checkout", "-q", "main")
	r.write(t, "f", k.text("ours"))
	r.commit(t, "main")
	if _, err := r.try(t, "merge", "side"); err == nil {
		t.Fatal("there is no conflict")
	}
	found, _ := r.tree(t)
	k.same(t, found, `ours "f" 2:1 tracked`, `theirs "f" 4:1 tracked`)
}

func TestTreeFails(t *testing.T) {
	t.Parallel()
	nothing := func(keyscan.Finding) error { return nil }
	r := newRepo(t)
	r.write(t, "a", fixed)

	s := r.scanner()
	s.Git = filepath.Join(t.TempDir(), "git")
	if _, err := s.Tree(t.Context(), r.dir, nothing); !errors.Is(err, keyscan.ErrNoGit) {
		t.Errorf("a repository without git: %v", err)
	}
	if _, err := s.Root(t.Context(), r.dir); !errors.Is(err, keyscan.ErrNoGit) {
		t.Errorf("the top without git: %v", err)
	}
	folder := newFolder(t)
	folder.write(t, "a", fixed)
	n := 0
	if _, err := s.Tree(t.Context(), folder.dir, func(keyscan.Finding) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("a folder without git: %d found, %v", n, err)
	}
	if _, err := r.scanner().Root(t.Context(), folder.dir); !errors.Is(err, keyscan.ErrNotRepository) {
		t.Errorf("the top of a folder: %v", err)
	}
	if _, err := r.scanner().Tree(t.Context(), filepath.Join(r.dir, "none"), nothing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	for _, dir := range []string{r.dir, folder.dir} {
		if _, err := r.scanner().Tree(t.Context(), dir, func(keyscan.Finding) error { return errStop }); !errors.Is(err, errStop) {
			t.Errorf("visit failed: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.scanner().Tree(ctx, dir, nothing); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}
