package cliutil

import (
	"errors"
	"fmt"
	"time"
)

// Exit is a process exit code.
type Exit int

// The exit codes. ExitCodes describes them.
const (
	ExitOK          Exit = 0
	ExitFailed      Exit = 1
	ExitUsage       Exit = 2
	ExitNotFound    Exit = 3
	ExitAuth        Exit = 4
	ExitConflict    Exit = 5
	ExitUnreachable Exit = 6
	ExitManual      Exit = 7
	ExitCancelled   Exit = 130
)

// ExitInfo is an exit code and what it means.
type ExitInfo struct {
	Exit    Exit
	Meaning string
}

// ExitCodes is the one table of exit codes; help and documentation derive from it.
func ExitCodes() []ExitInfo {
	return []ExitInfo{
		{ExitOK, "done (also: nothing to list)"},
		{ExitFailed, "failed, or only part of it succeeded"},
		{ExitUsage, "bad usage: unknown command at any depth, flag, argument"},
		{ExitNotFound, "not found"},
		{ExitAuth, "not signed in, or the session was refused"},
		{ExitConflict, "refused by a guard or a conflict: name taken, data directory in use"},
		{ExitUnreachable, "the service can't be reached, or answered 5xx"},
		{ExitManual, "a person must do a step that no program can"},
		{ExitCancelled, "cancelled: Ctrl-C, or \"no\" at a prompt"},
	}
}

// Error is a failure as the user meets it: what happened, what to do next, and how the process ends.
type Error struct {
	Code      string // stable, for programs: "unreachable", "key-not-found"
	Exit      Exit
	Message   string // lower case, no full stop
	Hint      string // the next step; may be empty
	RequestID string // of the service's answer; may be empty
	Status    int    // HTTP status of the service's answer; 0: there was none

	// LastUsedAt and Calls24h come with a key that was used too lately to be deleted.
	LastUsedAt *time.Time
	Calls24h   int64

	Err error // the cause; may be nil
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// UsageError says that the command line is wrong. The printer adds where to read the usage.
func UsageError(format string, args ...any) *Error {
	return &Error{Code: "usage", Exit: ExitUsage, Message: fmt.Sprintf(format, args...)}
}

// ErrCancelled says that the user stopped the command.
var ErrCancelled = errors.New("cancelled")
