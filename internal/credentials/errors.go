package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// What errors.Is can ask of an error of this package.
var (
	ErrNone        = errors.New("no session is stored")
	ErrUnavailable = errors.New("the keyring is unavailable")
	ErrUnusable    = errors.New("what is stored is no session for this service")
	ErrNotKept     = errors.New("this place keeps no secrets of keys")

	// errAbsent: there is no keyring to ask, as against one that fails.
	errAbsent = fmt.Errorf("%w: there is none", ErrUnavailable)
)

// Error is a failure to read, write or remove a credential. No part of it ever holds a token.
type Error struct {
	Op     string // "get", "put" or "delete"
	Place  Kind   // empty where no single place is to blame
	Reason string // what is wrong, in one line
	Hint   string // the next step
	err    error
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Unwrap returns what errors.Is and errors.As look at: a sentinel of this package, a context's error or one of package os.
// What a keyring or a helper said is not among it: only its cleaned text goes into the reason.
func (e *Error) Unwrap() error { return e.err }

// during puts the operation into a copy of the error: a keyring's failure is kept and told again.
func during(op string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	c := *e
	c.Op = op
	return &c
}

// signIn is the step that makes a new session.
func signIn(ref Ref) string {
	if ref.Key != "" {
		return "run the command again"
	}
	if ref.LocalDir != "" {
		return "run keyfob quickstart"
	}
	return "sign in with keyfob auth login"
}

// none is the answer where every place was asked; absent is the errAbsent of a place that this machine lacks, or nil.
func none(ref Ref, absent error) error {
	if e, ok := errors.AsType[*Error](absent); ok {
		return &Error{
			Place:  e.Place,
			Reason: "not signed in: " + e.Reason,
			Hint:   e.Hint,
			err:    errors.Join(ErrNone, ErrUnavailable),
		}
	}
	return &Error{
		Reason: fmt.Sprintf("not signed in: no session is stored for context %q at %s", ref.Context, ref.Origin),
		Hint:   signIn(ref) + ", or set " + tokenVariable,
		err:    ErrNone,
	}
}

// unusable is about a value that is there and that decode refused.
func unusable(ref Ref, at Source, why error) error {
	return &Error{
		Place:  at.Kind,
		Reason: fmt.Sprintf("%s can't be used: %s", at, why),
		Hint:   signIn(ref) + "; it writes a new one",
		err:    errors.Join(ErrUnusable, why),
	}
}

// notStored is about a value that was written and did not come back: readErr says why, nil means another value did.
func notStored(ref Ref, at Source, readErr error) error {
	e := &Error{Place: at.Kind, Hint: "try again and confirm its prompt, or set " + tokenVariable}
	switch {
	case readErr == nil:
		e.Reason = fmt.Sprintf("the %s was not stored: %s holds another value", ref.noun(), at)
		e.Hint = "if another sign-in ran at the same time, that one counts; otherwise try again, or set " + tokenVariable
	case errors.Is(readErr, ErrNone):
		e.Reason = fmt.Sprintf("the %s was not stored: %s took it and holds nothing", ref.noun(), at)
	default:
		e.Reason = fmt.Sprintf("the %s may not be stored: %s took it, then: %s", ref.noun(), at, readErr)
		e.err = readErr
		if cause, ok := errors.AsType[*Error](readErr); ok {
			e.Hint = cause.Hint
		}
	}
	return e
}

func cancelled(ctx context.Context, kind Kind) error {
	return &Error{
		Place:  kind,
		Reason: "cancelled before the session could be read or written",
		Hint:   "run the command again",
		err:    ctx.Err(),
	}
}

const maxForeignText = 200 // runes

// clean makes text of a keyring or a helper fit for an error: one line, printable, short, and without any word that holds
// a secret.
func clean(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	for i, w := range words {
		if strings.Contains(w, "kf_") || strings.Contains(w, "kfs_") {
			words[i] = "(hidden)"
		}
	}
	line := []rune(strings.Join(words, " "))
	if len(line) > maxForeignText {
		line = append(line[:maxForeignText], '…')
	}
	return string(line)
}
