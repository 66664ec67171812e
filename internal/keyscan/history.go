package keyscan

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/keyfob/keyfob/pkg/secret"
)

// maxClean bounds how many versions of files are remembered to hold nothing; about 12 MiB.
const maxClean = 1 << 17

// modes of git's tree entries.
const (
	modeGone      = "000000"
	modeSubmodule = "160000"
)

// History calls visit for every secret in the repository that dir is in: in the files and messages of all commits that a ref, a
// stash or a reflog leads to, oldest first, then in what is staged. A secret is reported once a path, with the first commit that
// had it there; what a merge alone brought in is found in the merge. An error of visit ends the search and is returned.
//
// The commits of a shallow clone are those it has; files that a partial clone has not fetched count as unreadable.
// It fails with ErrNoGit, ErrNotRepository, ErrLimit or a *GitError.
func (s Scanner) History(ctx context.Context, dir string, visit func(Finding) error) (Stats, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	g, err := s.newGit(dir)
	if err != nil {
		return Stats{}, err
	}
	inside, err := g.answer(ctx, "rev-parse", "--is-inside-work-tree")
	if err != nil {
		return Stats{}, err
	}
	objects, err := g.openObjects(ctx)
	if err != nil {
		return Stats{}, err
	}
	h := &history{
		objects: objects, visit: visit,
		clean: map[string]struct{}{}, told: map[place]struct{}{},
	}
	err = h.commits(ctx, g)
	if err == nil && inside == "true" {
		err = h.staged(ctx, g)
	}
	if closed := objects.close(ctx); err == nil {
		err = closed
	}
	return h.stats, err
}

// place is a secret at a path.
type place struct {
	secret secret.Secret
	path   string
}

// history is one search of a repository.
type history struct {
	objects *objects
	visit   func(Finding) error
	stats   Stats
	clean   map[string]struct{} // ids of versions that hold nothing
	told    map[place]struct{}
}

// commits searches what each commit changed.
func (h *history) commits(ctx context.Context, g git) error {
	var commit string
	var oid, mode string // of the path that comes next; empty: a commit comes next
	list := []string{"rev-list", "--all", "--reflog", "--topo-order", "--reverse"}
	changes := []string{
		"diff-tree", "--stdin", "--always", "--root", "-r", "-c", "-z", "--raw",
		"--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv",
	}
	return g.each(ctx, list, changes, func(item string) error {
		switch {
		case mode != "":
			at := Finding{Path: item, Commit: commit, Tracked: true}
			was := mode
			mode = ""
			return h.version(ctx, at, was, oid)
		case strings.HasPrefix(item, ":"):
			var ok bool
			if mode, oid, ok = change(item); !ok {
				return errors.New("git diff-tree wrote what is not understood")
			}
			return nil
		}
		commit = item
		h.stats.Commits++
		return h.message(ctx, commit)
	})
}

// change takes the mode and the id that a path has now from a raw line: a colon a parent, then a mode for each and for the
// commit, then as many ids, then the status.
func change(line string) (mode, oid string, ok bool) {
	words := strings.TrimLeft(line, ":")
	parents := len(line) - len(words)
	fields := strings.Fields(words)
	if len(fields) != 2*(parents+1)+1 {
		return "", "", false
	}
	return fields[parents], fields[2*parents+1], true
}

// staged searches the index.
func (h *history) staged(ctx context.Context, g git) error {
	return g.each(ctx, nil, []string{"ls-files", "-z", "--stage", "--full-name", "--", ":/"}, func(item string) error {
		entry, path, _ := strings.Cut(item, "\t")
		fields := strings.Fields(entry)
		if len(fields) != 3 {
			return errors.New("git ls-files wrote what is not understood")
		}
		return h.version(ctx, Finding{Path: path, Tracked: true}, fields[0], fields[1])
	})
}

// version searches what a path had, and its name.
func (h *history) version(ctx context.Context, at Finding, mode, oid string) error {
	if mode == modeGone || mode == modeSubmodule {
		return nil
	}
	path := at.Path
	at.Path = mask(path)
	if err := h.tell(at, Text([]byte(path)), true); err != nil {
		return err
	}
	if _, ok := h.clean[oid]; ok {
		return nil
	}
	data, state, err := h.objects.read(ctx, oid)
	if err != nil {
		return err
	}
	var hits []Hit
	switch {
	case state == objectMissing:
		h.stats.Unreadable++
	case state == objectLarge:
		h.stats.Large++
	case h.stats.searchable(data):
		hits = Text(data)
	}
	if len(hits) == 0 {
		if len(h.clean) >= maxClean {
			clear(h.clean)
		}
		h.clean[oid] = struct{}{}
	}
	return h.tell(at, hits, false)
}

// message searches a commit's message; its lines are counted without the header.
func (h *history) message(ctx context.Context, commit string) error {
	data, state, err := h.objects.read(ctx, commit)
	if err != nil {
		return err
	}
	if state != objectRead {
		h.stats.Unreadable++
		return nil
	}
	_, text, _ := bytes.Cut(data, []byte("\n\n"))
	return h.tell(Finding{Commit: commit, Tracked: true}, Text(text), false)
}

// tell visits the hits that are new at this path.
func (h *history) tell(at Finding, hits []Hit, inPath bool) error {
	for _, hit := range hits {
		p := place{hit.Secret, at.Path}
		if _, ok := h.told[p]; ok {
			continue
		}
		h.told[p] = struct{}{}
		at.Kind, at.Secret = hit.Kind, hit.Secret
		if !inPath {
			at.Line, at.Column = hit.Line, hit.Column
		}
		if err := h.visit(at); err != nil {
			return err
		}
	}
	return nil
}
