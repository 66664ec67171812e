package edit

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// What an Error is, for errors.Is.
var (
	ErrSyntax   = errors.New("broken file")
	ErrShape    = errors.New("unexpected content")
	ErrEncoding = errors.New("unsupported text encoding")
	ErrTooLarge = errors.New("file too large")
	ErrInternal = errors.New("internal check failed")
)

// Error says why a file was not edited. It names keys of the file and never quotes a value, which may be a secret.
type Error struct {
	Kind   error // one of the errors above
	Reason string
	Line   int // from 1; 0: nowhere in particular
	Column int // in characters, from 1; 0: only the line is known
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Reason
	case e.Column == 0:
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	default:
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
	}
}

// Unwrap gives errors.Is the kind.
func (e *Error) Unwrap() error { return e.Kind }

// errAt is an Error at an offset of data.
func errAt(kind error, data []byte, off int, format string, args ...any) *Error {
	off = min(max(off, 0), len(data))
	return &Error{Kind: kind, Reason: fmt.Sprintf(format, args...), Line: lineOf(data, off), Column: columnOf(data, off)}
}

func errInternal(what string) *Error {
	return &Error{Kind: ErrInternal, Reason: "internal check failed, file left alone: " + what}
}

// errTwice refuses a name that stands at two places.
func errTwice(data []byte, name string, first, second int) *Error {
	return errAt(ErrShape, data, second, "%q is there twice, on lines %d and %d", name, lineOf(data, first), lineOf(data, second))
}

func lineOf(data []byte, off int) int { return 1 + bytes.Count(data[:off], []byte("\n")) }

func columnOf(data []byte, off int) int {
	return 1 + utf8.RuneCount(data[1+bytes.LastIndexByte(data[:off], '\n'):off])
}
