package cliutil

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// Describe turns any error into what the user is told. Each kind of error is known by its type, never by its text.
func Describe(err error) *Error {
	var (
		typed       *Error
		answered    *client.Error
		unreachable *client.UnreachableError
		badURL      *client.URLError
		badConfig   *config.Error
		credential  *credentials.Error
	)
	switch {
	case errors.As(err, &typed):
		return typed
	case errors.Is(err, ErrCancelled), errors.Is(err, context.Canceled):
		return &Error{Code: "cancelled", Exit: ExitCancelled, Message: "cancelled"}
	case errors.As(err, &answered):
		return describeAnswer(answered)
	case errors.As(err, &unreachable):
		return &Error{
			Code: "unreachable", Exit: ExitUnreachable, Message: unreachable.Error(),
			Hint: "check that the service runs (`keyfob quickstart` starts a local one) and that its URL is right", Err: err,
		}
	case errors.As(err, &badURL):
		return &Error{Code: "invalid-url", Exit: ExitUsage, Message: badURL.Error(), Hint: "give it as https://HOST", Err: err}
	case errors.As(err, &badConfig):
		return describeConfig(badConfig)
	case errors.As(err, &credential):
		return &Error{Code: "credential-store", Exit: ExitAuth, Message: credential.Error(), Hint: credential.Hint, Err: err}
	case errors.Is(err, syscall.EPIPE):
		return &Error{Code: "output-closed", Exit: ExitFailed, Message: "the output was closed before all was written", Err: err}
	default:
		return &Error{Code: "failed", Exit: ExitFailed, Message: err.Error(), Err: err}
	}
}

func describeConfig(err *config.Error) *Error {
	e := &Error{Code: "config-invalid", Exit: ExitFailed, Message: err.Msg, Hint: err.Hint, Err: err}
	switch {
	case err.Missing:
		e.Code, e.Exit = "context-not-found", ExitNotFound
	case err.Usage:
		e.Exit = ExitUsage
	}
	return e
}

func describeAnswer(err *client.Error) *Error {
	e := &Error{
		Code: string(err.Code), Exit: exitForStatus(err.Status), Message: err.Message, Hint: err.Fix,
		RequestID: err.RequestID, Status: err.Status, LastUsedAt: err.LastUsedAt, Calls24h: err.Calls24h, Err: err,
	}
	switch {
	case e.Code == "":
		e.Code = fmt.Sprintf("http-%d", err.Status)
	case err.Code == api.CodeKeyNotFound && e.Hint == "":
		e.Hint = "see which there are: keyfob keys list"
	case err.Code == api.CodeOrgNotFound && e.Hint == "":
		e.Hint = "see yours: keyfob org list"
	case err.Code == api.CodeUnauthenticated && e.Hint == "":
		e.Hint = "sign in again with `keyfob auth login`; a local service's session comes from `keyfob quickstart`"
	}
	return e
}

// exitForStatus is the one table from the service's answers to exit codes.
func exitForStatus(status int) Exit {
	switch {
	case status >= http.StatusInternalServerError:
		return ExitUnreachable
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return ExitUsage
	case status == http.StatusUnauthorized:
		return ExitAuth
	case status == http.StatusNotFound:
		return ExitNotFound
	case status == http.StatusConflict, status == http.StatusPreconditionFailed, status == http.StatusTooManyRequests:
		return ExitConflict
	default:
		return ExitFailed
	}
}
