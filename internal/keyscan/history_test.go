package keyscan_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/keyscan"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	k := newKeys("first", "side", "merge", "message", "tagged", "stash1", "stash2", "untracked", "staged", "amended", "head")
	r.write(t, "a", "x\n\n "+k.text("first"))
	r.write(t, "odd\n\"\t\u00e9", k.text("first"))
	one := r.commit(t, "one")
	r.write(t, "a", "clean")
	r.write(t, "moved", "x\n\n "+k.text("first"))
	two := r.commit(t, "use the key\n\n"+k.text("message")+"\n")
	r.git(t, "checkout", "-q", "-b", "side")
	r.write(t, "a", k.text("side"))
	side := r.commit(t, "side")
	r.git(t, "checkout", "-q", "main")
	r.write(t, "a", "main")
	r.commit(t, "main")
	if _, err := r.try(t, "merge", "side"); err == nil {
		t.Fatal("there is no conflict")
	}
	r.write(t, "a", "evil "+k.text("merge"))
	merge := r.commit(t, "merge")
	r.git(t, "branch", "-D", "side")
	r.write(t, "a", "x\n\n "+k.text("first")) // comes back: no news
	r.commit(t, "again")

	r.git(t, "checkout", "-q", "--detach")
	r.write(t, "t", k.text("tagged"))
	tagged := r.commit(t, "tagged")
	r.git(t, "tag", "v1")
	r.git(t, "checkout", "-q", "main")
	r.write(t, "am", k.text("amended"))
	amended := r.commit(t, "secret")
	r.write(t, "am", "clean")
	r.git(t, "commit", "-q", "-a", "--amend", "-m", "clean")
	r.write(t, "a", k.text("stash1"))
	r.write(t, "u", k.text("untracked"))
	r.git(t, "stash", "-q", "--include-untracked")
	stash1, hidden := r.git(t, "rev-parse", "stash@{0}"), r.git(t, "rev-parse", "stash@{0}^3")
	r.write(t, "a", k.text("stash2"))
	r.git(t, "stash", "-q")
	stash2 := r.git(t, "rev-parse", "stash@{0}")
	r.write(t, "s", "x "+k.text("staged"))
	r.git(t, "add", "s")

	found, stats := r.history(t)
	got := map[string]bool{}
	for _, line := range k.lines(found) {
		got[line] = true
	}
	want := []string{
		`first "a" 3:2 ` + one, `first "odd\n\"\té" 1:1 ` + one,
		`message "" 3:1 ` + two, `first "moved" 3:2 ` + two,
		`side "a" 1:1 ` + side, `merge "a" 1:6 ` + merge, `tagged "t" 1:1 ` + tagged, `amended "am" 1:1 ` + amended,
		`untracked "u" 1:1 ` + hidden, `stash1 "a" 1:1 ` + stash1, `stash2 "a" 1:1 ` + stash2,
		`staged "s" 1:3`,
	}
	for _, line := range want {
		if !got[line+" tracked"] {
			t.Errorf("not found: %s", line)
		}
		delete(got, line+" tracked")
	}
	for line := range got {
		t.Errorf("found: %s", line)
	}
	if commits := r.git(t, "rev-list", "--all", "--reflog", "--count"); strconv.Itoa(stats.Commits) != commits || stats.Binary+stats.Large+stats.Unreadable != 0 {
		t.Errorf("%+v", stats)
	}
	if last := found[len(found)-1]; last.Commit != "" {
		t.Error("what is staged does not come last")
	}

	// the same from a subfolder, again and again
	sub := r
	sub.dir = filepath.Join(r.dir, "sub")
	if err := os.Mkdir(sub.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	again, _ := sub.history(t)
	k.same(t, again, k.lines(found)...)
}

func TestHistoryOfSpecialRepositories(t *testing.T) {
	t.Parallel()
	k := newKeys("old", "new")
	origin := newRepo(t)
	origin.write(t, "f", k.text("old"))
	origin.write(t, "bin", "\x00\x01\x00"+k.text("old"))
	origin.write(t, "big", strings.Repeat("x", 10<<20+1)+k.text("old"))
	old := origin.commit(t, "old")
	origin.write(t, "f", k.text("new"))
	newer := origin.commit(t, "new")
	clone := func(args ...string) repo {
		r := newFolder(t)
		r.git(t, append([]string{"clone", "-q"}, append(args, "file://"+filepath.ToSlash(origin.dir), r.dir)...)...)
		return r
	}
	both := []string{`old "f" 1:1 ` + old + " tracked", `new "f" 1:1 ` + newer + " tracked"}

	t.Run("bare", func(t *testing.T) {
		t.Parallel()
		found, stats := clone("--bare").history(t)
		k.same(t, found, both...)
		if stats.Commits != 2 || stats.Files != 2 || stats.Binary != 1 || stats.Large != 1 {
			t.Errorf("%+v", stats)
		}
	})
	t.Run("shallow", func(t *testing.T) {
		t.Parallel()
		found, stats := clone("--depth=1").history(t)
		k.same(t, found, both[1])
		if stats.Commits != 1 {
			t.Errorf("%+v", stats)
		}
	})
	t.Run("partial", func(t *testing.T) {
		t.Parallel()
		origin.git(t, "config", "uploadpack.allowFilter", "true")
		r := clone("--filter=blob:none", "--no-checkout")
		found, stats := r.history(t) // fetches nothing
		k.same(t, found)
		if stats.Commits != 2 || stats.Unreadable != 4 {
			t.Errorf("%+v", stats)
		}
	})
	t.Run("no commits", func(t *testing.T) {
		t.Parallel()
		r := newRepo(t)
		found, stats := r.history(t)
		k.same(t, found)
		if stats != (keyscan.Stats{}) {
			t.Errorf("%+v", stats)
		}
		r.write(t, "f", k.text("new"))
		r.git(t, "add", "f")
		found, _ = r.history(t)
		k.same(t, found, `new "f" 1:1 tracked`)
	})
	t.Run("submodule", func(t *testing.T) {
		t.Parallel()
		r := newRepo(t)
		r.git(t, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+filepath.ToSlash(origin.dir), "sub")
		commit := r.commit(t, k.text("old"))
		found, stats := r.history(t)
		k.same(t, found, `old "" 1:1 `+commit+" tracked")
		if stats.Unreadable != 0 {
			t.Errorf("%+v", stats)
		}
		if found, _ := r.tree(t); len(found) != 0 {
			t.Errorf("%d found in the submodule", len(found))
		}
	})
	t.Run("SHA-256", func(t *testing.T) {
		t.Parallel()
		r := newFolder(t)
		r.git(t, "init", "-q", "-b", "main", "--object-format=sha256")
		r.write(t, "f", k.text("new"))
		commit := r.commit(t, "one")
		found, _ := r.history(t)
		k.same(t, found, `new "f" 1:1 `+commit+" tracked")
	})
	t.Run("replaced", func(t *testing.T) {
		t.Parallel()
		r := clone()
		r.write(t, "clean", "clean")
		r.git(t, "replace", old+":f", r.git(t, "hash-object", "-w", "clean"))
		found, _ := r.history(t)
		k.same(t, found, both...)
	})
}

func TestHistoryFails(t *testing.T) {
	t.Parallel()
	nothing := func(keyscan.Finding) error { return nil }
	r := newRepo(t)
	r.write(t, "a", fixed)
	r.commit(t, "one")
	folder := newFolder(t)
	if _, err := folder.scanner().History(t.Context(), folder.dir, nothing); !errors.Is(err, keyscan.ErrNotRepository) {
		t.Errorf("not a repository: %v", err)
	}
	s := r.scanner()
	s.Git = filepath.Join(t.TempDir(), "git")
	if _, err := s.History(t.Context(), r.dir, nothing); !errors.Is(err, keyscan.ErrNoGit) {
		t.Errorf("no git: %v", err)
	}
	if _, err := r.scanner().History(t.Context(), r.dir, func(keyscan.Finding) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("visit failed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.scanner().History(ctx, r.dir, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s = r.scanner()
	s.Limit = time.Nanosecond
	if _, err := s.History(t.Context(), r.dir, nothing); !errors.Is(err, keyscan.ErrLimit) {
		t.Errorf("no time: %v", err)
	}

	// A branch whose commit is gone, with a secret for a name: an error, not a short answer, and without the secret.
	ref := filepath.Join(r.dir, ".git", "refs", "heads", fixed)
	if err := os.WriteFile(ref, []byte(strings.Repeat("1", 40)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := r.scanner().History(t.Context(), r.dir, nothing)
	var failed *keyscan.GitError
	if !errors.As(err, &failed) || failed.Command != "rev-list" || strings.Contains(fmt.Sprintf("%v %+v", err, failed), fixed) {
		t.Errorf("broken: %v", err)
	}
}

// TestHistoryStopsAGitThatHangs at whichever step it does.
func TestHistoryStopsAGitThatHangs(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("git's stand-in is a shell script")
	}
	r := newRepo(t)
	r.write(t, "a", fixed)
	r.commit(t, "one")
	for _, step := range []string{"rev-parse", "rev-list", "diff-tree", "cat-file", "ls-files"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			slow := filepath.Join(t.TempDir(), "git")
			script := "#!/bin/sh\ncase \" $* \" in *' " + step + " '*) exec sleep 600;; esac\nexec git \"$@\"\n"
			if err := os.WriteFile(slow, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			s := r.scanner()
			s.Git, s.Limit = slow, time.Second
			begun := time.Now()
			_, err := s.History(t.Context(), r.dir, func(keyscan.Finding) error { return nil })
			if !errors.Is(err, keyscan.ErrLimit) {
				t.Errorf("History = %v", err)
			}
			if took := time.Since(begun); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
