package keyscan_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/keyscan"
)

// TestHostileRepository has a configuration that would start a program on every occasion git knows.
func TestHostileRepository(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the trap is a shell script")
	}
	r := newRepo(t)
	mark := filepath.Join(t.TempDir(), "ran")
	trap := filepath.Join(t.TempDir(), "trap")
	if err := os.WriteFile(trap, []byte("#!/bin/sh\necho \"$0 $@\" >>"+mark+"\ncat\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	k := newKeys("f", "ignored")
	r.write(t, ".gitattributes", "* filter=trap diff=trap merge=trap\n")
	r.write(t, ".gitignore", ".env\n")
	r.write(t, "f", k.text("f"))
	r.write(t, "lost", "x")
	commit := r.commit(t, "one")
	blob := r.git(t, "rev-parse", "HEAD:lost") // git would fetch it
	if err := os.Remove(filepath.Join(r.dir, ".git", "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	r.write(t, ".env", k.text("ignored"))
	for _, name := range []string{
		"core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.gitProxy", "core.askPass", "core.alternateRefsCommand",
		"diff.external", "diff.trap.command", "diff.trap.textconv", "filter.trap.clean", "filter.trap.smudge", "filter.trap.process",
		"gpg.program", "credential.helper", "pager.rev-list", "pager.diff-tree", "pager.ls-files", "pager.cat-file", "pager.rev-parse",
		"merge.trap.driver", "uploadpack.packObjectsHook", "remote.origin.uploadpack", "interactive.diffFilter", "sequence.editor",
	} {
		r.git(t, "config", name, trap)
	}
	for _, pair := range [][2]string{
		{"log.showSignature", "true"},
		{"alias.rev-list", "!" + trap},
		{"alias.cat-file", "!" + trap},
		{"core.hooksPath", filepath.Dir(trap)},
		{"diff.renames", "copies"},
		{"diff.noprefix", "true"},
		{"color.ui", "always"},
		{"log.showRoot", "false"},
		{"core.quotePath", "true"},
		{"core.untrackedCache", "true"},
		{"remote.origin.url", "ext::" + trap},
		{"extensions.partialClone", "origin"},
		{"remote.origin.promisor", "true"},
	} {
		r.git(t, "config", pair[0], pair[1])
	}
	for _, hook := range []string{"post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"} {
		if err := os.Symlink(trap, filepath.Join(filepath.Dir(trap), hook)); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Remove(mark) // git config may have run some of it
	found, stats := r.history(t)
	k.same(t, found, `f "f" 1:1 `+commit+" tracked")
	if stats.Unreadable != 1 {
		t.Errorf("%+v", stats)
	}
	found, _ = r.tree(t)
	k.same(t, found, `f "f" 1:1 tracked`, `ignored ".env" 1:1 ignored`)
	if _, err := r.scanner().Root(t.Context(), r.dir); err != nil {
		t.Error(err)
	}
	if ran, err := os.ReadFile(mark); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the repository started: %s", ran)
	}
	// the trap works
	if out, err := r.try(t, "status"); err != nil {
		t.Logf("git status: %v %s", err, out)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("the trap does not go off for git status either")
	}
}

// TestGitSeesNoneOfOurVariables nor what would lead it elsewhere.
func TestGitSeesNoneOfOurVariables(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("git's stand-in is a shell script")
	}
	r := newFolder(t)
	seen := filepath.Join(r.dir, "seen")
	spy := filepath.Join(r.dir, "git")
	if err := os.WriteFile(spy, []byte("#!/bin/sh\nenv >>"+seen+"; echo \"$@\" >>"+seen+"\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := r.scanner()
	s.Git = spy
	s.Environ = append(s.Environ, "KEYFOB_TOKEN="+fixed, "keyfob_x=1", "GIT_DIR=/x", "GIT_TRACE=/x", "GIT_EXTERNAL_DIFF=/x", "LC_ALL=de_DE.UTF-8", "LANGUAGE=de")
	_, err := s.History(t.Context(), r.dir, func(keyscan.Finding) error { return nil })
	var failed *keyscan.GitError
	if !errors.As(err, &failed) || failed.Command != "rev-parse" {
		t.Errorf("History = %v", err)
	}
	text, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{fixed, "KEYFOB", "keyfob_x", "GIT_DIR", "GIT_TRACE", "GIT_EXTERNAL_DIFF", "de_DE", "LANGUAGE"} {
		if strings.Contains(string(text), word) {
			t.Errorf("git sees %s", word)
		}
	}
	for _, word := range []string{"LC_ALL=C\n", "GIT_CONFIG_NOSYSTEM=1\n", "GIT_NO_LAZY_FETCH=1\n"} {
		if !strings.Contains(string(text), word) {
			t.Errorf("git does not see %s", word)
		}
	}
}
