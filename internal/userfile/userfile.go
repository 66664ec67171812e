// Package userfile changes files that belong to the user or to another program: several at once, all or none, each of them
// the old content or the new at every instant, and never over a change that somebody else made meanwhile.
//
// A Store keeps what that takes below one folder: a lock, a journal with the content before the last change, which also takes
// the change back, and one pristine copy of each file. The package works on bytes. It must not know formats, AI clients or
// what a secret is; a file that will hold one is called private.
package userfile

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	lockWait   = 10 * time.Second
	maxSize    = 10 << 20 // bytes of a file
	folderMode = 0o700
	fileMode   = 0o600
)

// Why a file can't be changed. An Error wraps one of them, or what the operating system said.
var (
	ErrChanged = errors.New("another program changed it at the same moment")
	ErrBusy    = errors.New("another keyfob is changing files")
	ErrKind    = errors.New("it can't be changed safely")
	ErrOwner   = errors.New("it is somebody else's")
	ErrSize    = errors.New("it is too large")
)

// Error says which file could not be read or changed, why, and what to do. It never holds content.
type Error struct {
	Path   string
	Reason string
	Hint   string
	err    error
}

// Error names the file and the reason.
func (e *Error) Error() string { return e.Path + ": " + e.Reason }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

func fail(path string, err error, hint string) *Error {
	reason := err.Error()
	if cause, ok := errors.AsType[*fs.PathError](err); ok { // which repeats a path
		reason = fmt.Sprintf("%s: %v", cause.Op, cause.Err)
	}
	return &Error{Path: path, Reason: reason, Hint: hint, err: err}
}

// Store is the folder of one user's journal and copies.
type Store struct {
	// Dir is absolute. It is made, for its owner alone, when it is missing.
	Dir string
	Now func() time.Time
}
