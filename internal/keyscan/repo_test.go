package keyscan_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/keyscan"
	"github.com/keyfob/keyfob/pkg/secret"
)

// repo is a folder with real git and nothing of the user's configuration.
type repo struct {
	dir string
	env []string
}

// newRepo returns a fresh repository. Without git the test is skipped; in CI it fails.
func newRepo(t *testing.T) repo {
	t.Helper()
	r := newFolder(t)
	r.git(t, "init", "-q", "-b", "main")
	return r
}

func newFolder(t *testing.T) repo {
	t.Helper()
	path, err := exec.LookPath("git")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	dir, home := t.TempDir(), t.TempDir()
	return repo{dir: dir, env: []string{
		"PATH=" + filepath.Dir(path) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + home,
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir),
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	}}
}

func (r repo) scanner() keyscan.Scanner { return keyscan.Scanner{Environ: r.env, Limit: time.Minute} }

// git returns what a git command prints.
func (r repo) git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.try(t, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(out)
}

func (r repo) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r repo) write(t *testing.T, path, text string) {
	t.Helper()
	full := filepath.Join(r.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// commit records everything and returns the commit.
func (r repo) commit(t *testing.T, message string) string {
	t.Helper()
	r.git(t, "add", "-A")
	r.git(t, "commit", "-q", "--allow-empty", "-m", message)
	return r.git(t, "rev-parse", "HEAD")
}

// keys are secrets with names, for comparisons that print neither.
type keys map[string]secret.Secret

func newKeys(names ...string) keys {
	k := keys{}
	for _, name := range names {
		k[name] = secret.New(secret.Key)
	}
	return k
}

func (k keys) text(name string) string { return k[name].Reveal() }

// lines writes findings as "name path line:column commit flags".
func (k keys) lines(found []keyscan.Finding) []string {
	var out []string
	for _, f := range found {
		name := "unknown"
		for n, s := range k {
			if s == f.Secret {
				name = n
			}
		}
		line := fmt.Sprintf("%s %q %d:%d", name, f.Path, f.Line, f.Column)
		if f.Commit != "" {
			line += " " + f.Commit
		}
		if f.Tracked {
			line += " tracked"
		}
		if f.Ignored {
			line += " ignored"
		}
		out = append(out, line)
	}
	return out
}

// same compares line by line and checks that no finding prints its secret.
func (k keys) same(t *testing.T, found []keyscan.Finding, want ...string) {
	t.Helper()
	got := k.lines(found)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	printed := fmt.Sprintf("%v %+v %#v", found, found, found)
	for name := range k {
		if strings.Contains(printed, k.text(name)[3:]) {
			t.Errorf("%s is printed by a finding", name)
		}
	}
}

func (r repo) tree(t *testing.T) ([]keyscan.Finding, keyscan.Stats) {
	t.Helper()
	return collect(t, func(visit func(keyscan.Finding) error) (keyscan.Stats, error) {
		return r.scanner().Tree(t.Context(), r.dir, visit)
	})
}

func (r repo) history(t *testing.T) ([]keyscan.Finding, keyscan.Stats) {
	t.Helper()
	return collect(t, func(visit func(keyscan.Finding) error) (keyscan.Stats, error) {
		return r.scanner().History(t.Context(), r.dir, visit)
	})
}

func collect(t *testing.T, scan func(func(keyscan.Finding) error) (keyscan.Stats, error)) ([]keyscan.Finding, keyscan.Stats) {
	t.Helper()
	var found []keyscan.Finding
	stats, err := scan(func(f keyscan.Finding) error {
		found = append(found, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, stats
}

// errStop is an error that only a test returns.
var errStop = errors.New("stop")
