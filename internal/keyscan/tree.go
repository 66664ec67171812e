package keyscan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// holders are names of files that are ignored because of what they hold. They are git's patterns, and match in every folder.
func holders() []string {
	return []string{
		".env*", "*.env", ".dev.vars*", ".netrc", ".npmrc", ".pypirc", "*.tfvars", "*.local.json", "*.local.toml",
		"*.local.yaml", "*.local.yml", "*mcp*.json", "secrets.*",
	}
}

// Root returns the top folder of the work tree that dir is in, or ErrNotRepository.
func (s Scanner) Root(ctx context.Context, dir string) (string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	g, err := s.newGit(dir)
	if err != nil {
		return "", err
	}
	top, err := g.answer(ctx, "rev-parse", "--show-toplevel")
	if ge, ok := errors.AsType[*GitError](err); ok && strings.Contains(ge.Said, "must be run in a work tree") {
		return "", ErrNotRepository
	}
	return filepath.FromSlash(top), err
}

// Tree calls visit for every secret in the files of dir, in the order of the files. In a git work tree these are the files
// that git tracks, then those it doesn't know, then those it ignores whose names are ones that hold secrets (.env and the like),
// outside node_modules.
// Elsewhere, and in a folder that is itself ignored, it is every file, without .git and node_modules. No link is followed. An error of visit ends the search and
// is returned.
//
// Where there is a repository that git refuses or that can't be read for want of git, Tree fails rather than guess.
func (s Scanner) Tree(ctx context.Context, dir string, visit func(Finding) error) (Stats, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Stats{}, fmt.Errorf("read the folder: %w", err)
	}
	defer func() { _ = root.Close() }()
	t := &tree{root: root, visit: visit}
	g, inTree, err := s.workTree(ctx, dir)
	switch {
	case err != nil:
	case inTree:
		err = t.listed(ctx, g)
	default:
		err = t.walk(ctx)
	}
	return t.stats, err
}

// workTree says whether git knows the files of dir.
func (s Scanner) workTree(ctx context.Context, dir string) (git, bool, error) {
	g, err := s.newGit(dir)
	if err != nil {
		if hasRepository(dir) {
			return g, false, err
		}
		return g, false, nil
	}
	inside, err := g.answer(ctx, "rev-parse", "--is-inside-work-tree")
	switch {
	case errors.Is(err, ErrNotRepository):
		return g, false, nil
	case err != nil || inside != "true":
		return g, false, err
	}
	ignored, err := g.ignores(ctx)
	return g, !ignored, err
}

// hasRepository says whether dir or a folder above has a .git.
func hasRepository(dir string) bool {
	dir, err := filepath.Abs(dir)
	for err == nil {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return false
		}
		dir = above
	}
	return false
}

// tree is one search of a folder.
type tree struct {
	root  *os.Root
	visit func(Finding) error
	stats Stats
	data  bytes.Buffer // the file in work
}

// listed searches what git lists.
func (t *tree) listed(ctx context.Context, g git) error {
	ignored := []string{"ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--", ":(exclude,glob)**/node_modules/**"}
	for _, name := range holders() {
		ignored = append(ignored, ":(glob)**/"+name)
	}
	for _, list := range []struct {
		args []string
		as   Finding
	}{
		{[]string{"ls-files", "-z", "--cached"}, Finding{Tracked: true}},
		{[]string{"ls-files", "-z", "--others", "--exclude-standard"}, Finding{}},
		{ignored, Finding{Ignored: true}},
	} {
		last := "" // a file in conflict is listed once a side
		err := g.each(ctx, nil, list.args, func(path string) error {
			if path == last {
				return nil
			}
			last = path
			list.as.Path = path
			return t.file(ctx, list.as)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// walk searches every file.
func (t *tree) walk(ctx context.Context) error {
	return fs.WalkDir(t.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			t.stats.Unreadable++
			return nil //nolint:nilerr // counted
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		return t.file(ctx, Finding{Path: path})
	})
}

// file searches the file at as.Path and its name. Only a regular file is opened: a pipe would wait for a writer.
func (t *tree) file(ctx context.Context, as Finding) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	path := as.Path
	as.Path = mask(path)
	for _, h := range Text([]byte(path)) {
		as.Kind, as.Secret = h.Kind, h.Secret
		if err := t.visit(as); err != nil {
			return err
		}
	}
	info, err := t.root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // tracked and deleted
	case err != nil:
		t.stats.Unreadable++
		return nil //nolint:nilerr // counted
	case !info.Mode().IsRegular():
		return nil
	case info.Size() > maxFile:
		t.stats.Large++
		return nil
	}
	if err := t.read(path); err != nil {
		t.stats.Unreadable++
		return nil //nolint:nilerr // counted
	}
	if t.data.Len() > maxFile {
		t.stats.Large++
		return nil
	}
	if !t.stats.searchable(t.data.Bytes()) {
		return nil
	}
	for _, h := range Text(t.data.Bytes()) {
		as.Line, as.Column, as.Kind, as.Secret = h.Line, h.Column, h.Kind, h.Secret
		if err := t.visit(as); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) read(path string) error {
	f, err := t.root.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	t.data.Reset()
	_, err = t.data.ReadFrom(io.LimitReader(f, maxFile+1))
	return err
}
