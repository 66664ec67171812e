// Package keyscan finds Keyfob's secrets in text, in the files of a folder and in a git repository's history, so that a key
// that was left lying about can be named and replaced. A secret counts when its checksum is right, so there is no guessing.
//
// What it finds it hands over as secret.Secret, which prints as its hint; nothing else here keeps or prints a secret. The
// package must not know the service that a key belongs to, the AI clients whose files may hold one, nor the command line.
package keyscan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	// maxFile is the size in bytes above which a file is counted and left out.
	maxFile = 10 << 20
	// defaultLimit bounds one scan where the caller says nothing.
	defaultLimit = 10 * time.Minute
)

// What a scan may fail with, beside what visit and the context return.
var (
	ErrNoGit         = errors.New("git is not installed or not on PATH")
	ErrNotRepository = errors.New("this folder is in no git repository")
	ErrLimit         = errors.New("the scan took too long")
)

// GitError is a git command that failed.
type GitError struct {
	Command string // git's own word, such as rev-list
	Said    string // what it wrote to stderr, on one line, secrets masked
	Err     error
}

func (e *GitError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("git %s failed: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("git %s failed: %s", e.Command, e.Said)
}

// Unwrap returns the cause.
func (e *GitError) Unwrap() error { return e.Err }

// Finding is a secret and where it lies.
type Finding struct {
	// Path has slashes on every system. Tree's is relative to the folder, History's to the repository's top; empty: the
	// secret is in the commit's message. A secret in the path itself is masked.
	Path string
	// Line and Column count from 1, Column in characters. Both are 0 where the secret is in the path.
	Line, Column int
	// Tracked says that git has the file in its index. Always true from History.
	Tracked bool
	// Ignored says that git ignores the file; such a file is read only where its name is one that holds secrets.
	Ignored bool
	// Commit is the first commit with this secret at this path; empty: the work tree (Tree), or staged and in no commit (History).
	Commit string
	Kind   secret.Kind
	Secret secret.Secret
}

// Stats says how much was read, and what was not.
type Stats struct {
	Files      int   // that were searched; from History, versions of files
	Commits    int   // whose message and changes were searched
	Bytes      int64 // that were searched
	Binary     int   // files left out because they are no text
	Large      int   // files left out because they have more than 10 MiB
	Unreadable int   // files and folders that could not be read, or that the clone lacks
}

// Scanner searches folders and repositories. The zero Scanner runs git with an empty environment.
type Scanner struct {
	// Environ is this process's environment. git gets it without our variables and without those that would make it look
	// elsewhere.
	Environ []string
	// Git is the program; empty: git, found on PATH.
	Git string
	// Limit bounds one scan, which then ends in ErrLimit; 0: ten minutes.
	Limit time.Duration
}

// bounded returns the context that a scan runs in.
func (s Scanner) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := s.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: it was stopped after %s", ErrLimit, limit))
}

// searchable says whether the content is worth a search, and counts it.
func (st *Stats) searchable(data []byte) bool {
	if isBinary(data) {
		st.Binary++
		return false
	}
	st.Files++
	st.Bytes += int64(len(data))
	return true
}

// isBinary says that the content is no text, as git decides it: by a NUL in the first 8000 bytes. UTF-16 is text.
func isBinary(data []byte) bool {
	head := data[:min(len(data), 8000)]
	if !bytes.Contains(head, []byte{0}) || bytes.HasPrefix(head, []byte{0xFF, 0xFE}) || bytes.HasPrefix(head, []byte{0xFE, 0xFF}) {
		return false
	}
	// Without a mark: Western text in UTF-16 has its NULs at either the even or the odd offsets, and many.
	side := [2]int{}
	for i, b := range head {
		if b == 0 {
			side[i%2]++
		}
	}
	return min(side[0], side[1]) > 0 || max(side[0], side[1]) < len(head)/4
}
