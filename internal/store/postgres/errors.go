package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/keyfob/keyfob/internal/store"
)

// Refusals of a database; they are about its making, not about a row.
var (
	errForeign = fmt.Errorf("%w: it holds tables of another program", store.ErrUnfit)
	errText    = errors.New("the text holds a NUL or is not UTF-8")
)

// SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeUnique          = "23505"
	codeLockTimeout     = "55P03"
	codeCanceled        = "57014"
	codeTooMany         = "53300"
	codeReadOnly        = "25006"
	codeIdle            = "25P03" // idle_in_transaction_session_timeout
	codeAdminShutdown   = "57P01"
	codeCrashShutdown   = "57P02"
	codeCannotConnect   = "57P03"
	codePassword        = "28P01"
	codeAuthorization   = "28000"
	codeNoDatabase      = "3D000"
	codeNoPrivilege     = "42501"
	codeDiskFull        = "53100"
	classConnectionLost = "08"
	classResources      = "53"
	classSystem         = "58"
)

// state returns PostgreSQL's SQLSTATE of err, or "".
func state(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

func isUnique(err error) bool { return state(err) == codeUnique }

// isConflict says that the transaction was undone since it met another, and that it may go well the next time.
func isConflict(err error) bool {
	code := state(err)
	return code == codeSerialization || code == codeDeadlock
}

// isLost says that there is no connection any more, or that it is about to end.
func isLost(err error) bool {
	switch code := state(err); code {
	case "":
		return err != nil
	case codeAdminShutdown, codeCrashShutdown, codeCannotConnect, codeIdle:
		return true
	default:
		return code[:2] == classConnectionLost
	}
}

// rowError translates what a statement on rows answers into the errors of package store.
func rowError(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	case isUnique(err):
		return fmt.Errorf("%s: %w", what, store.ErrExists)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// explanations say what is wrong with a database, by SQLSTATE or its class.
func explanations() map[string]struct {
	is   error
	says string
} {
	type row = struct {
		is   error
		says string
	}
	return map[string]row{
		codeSerialization: {store.ErrBusy, "too many changes met each other"},
		codeDeadlock:      {store.ErrBusy, "too many changes met each other"},
		codeLockTimeout:   {store.ErrBusy, "a lock was not free in time"},
		codeCanceled:      {store.ErrBusy, "a statement took too long"},
		codeTooMany:       {store.ErrCrowded, "it lets nobody else in"},
		codeAdminShutdown: {store.ErrUnreachable, "it is being stopped"},
		codeCrashShutdown: {store.ErrUnreachable, "it is being stopped"},
		codeCannotConnect: {store.ErrUnreachable, "it is being started or stopped"},
		codeIdle:          {store.ErrBusy, "a transaction did nothing for too long"},
		codeReadOnly:      {store.ErrReadOnly, "it takes no writes"},
		codePassword:      {store.ErrRefused, "the password is wrong or missing"},
		codeAuthorization: {store.ErrRefused, "it lets this user not in from here"},
		codeNoDatabase:    {store.ErrRefused, "there is no such database"},
		codeNoPrivilege:   {store.ErrUnfit, "the user may not do this"},
		codeDiskFull:      {store.ErrUnavailable, "the disk is full"},
		classResources:    {store.ErrUnavailable, "it has not enough memory or the like"},
		classSystem:       {store.ErrUnavailable, "its system failed"},
	}
}

// oneLine is the failure of a connection, which has a line for each address and each try, in one line. A try that failed like the one
// before it is left out.
type oneLine struct{ error }

func (e oneLine) Error() string {
	what, tries, _ := strings.Cut(e.error.Error(), "\n\t")
	if tries == "" {
		return what
	}
	return what + " " + strings.Join(slices.Compact(strings.Split(tries, "\n\t")), "; ")
}

// Unwrap returns the failure.
func (e oneLine) Unwrap() error { return e.error }

// explain adds to PostgreSQL's answer which database it is about and, where it is known, what is wrong with it. The answer of a
// failed connection names host, user and database, never the password.
func (s *Store) explain(err error) error {
	code, all := state(err), explanations()
	known, ok := all[code]
	if !ok && len(code) > len(classSystem) {
		known, ok = all[code[:len(classSystem)]]
	}
	if ok {
		return fmt.Errorf("database %s: %s: %w: %w", s.name, known.says, known.is, oneLine{err})
	}
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("database %s: %w", s.name, oneLine{err})
	}
	for _, known := range []error{store.ErrNewerSchema, store.ErrOlderSchema, store.ErrNotEmpty, store.ErrServed, store.ErrUnfit, store.ErrNoSchema, store.ErrReadOnly} {
		if errors.Is(err, known) {
			return fmt.Errorf("database %s: %w", s.name, err)
		}
	}
	return err
}

// fault says that the context ended where that is why err came, and explains what PostgreSQL answered.
func (s *Store) fault(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		return fmt.Errorf("%w: %w", ctxErr, err)
	}
	return s.explain(err)
}

// unreachable is fault for a connection that could not be had or was lost.
func (s *Store) unreachable(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil || state(err) != "":
		return s.fault(ctx, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("database %s: no connection was to be had in time: %w: %w", s.name, store.ErrBusy, oneLine{err})
	}
	return fmt.Errorf("database %s: %w: %w", s.name, store.ErrUnreachable, oneLine{err})
}
