package cliutil

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	answer := func(status int, code api.Code) error {
		return fmt.Errorf("wrapped: %w", &client.Error{Status: status, Code: code})
	}
	cases := []struct {
		err  error
		exit Exit
		code string
	}{
		{errors.New("x"), ExitFailed, "failed"},
		{UsageError("x"), ExitUsage, "usage"},
		{fmt.Errorf("x: %w", ErrCancelled), ExitCancelled, "cancelled"},
		{context.Canceled, ExitCancelled, "cancelled"},
		{&client.UnreachableError{Origin: "https://x", Err: errors.New("y")}, ExitUnreachable, "unreachable"},
		{&client.URLError{Reason: "is empty"}, ExitUsage, "invalid-url"},
		{&config.Error{Msg: "x"}, ExitFailed, "config-invalid"},
		{&config.Error{Msg: "x", Usage: true}, ExitUsage, "config-invalid"},
		{&config.Error{Msg: "x", Missing: true}, ExitNotFound, "context-not-found"},
		{fmt.Errorf("write: %w", syscall.EPIPE), ExitFailed, "output-closed"},
		{answer(418, ""), ExitFailed, "http-418"},
		{answer(500, ""), ExitUnreachable, "http-500"},
	}
	// Every code of the service has its exit code by its status.
	want := map[int]Exit{
		400: ExitUsage, 401: ExitAuth, 403: ExitFailed, 404: ExitNotFound,
		405: ExitFailed, 409: ExitConflict, 412: ExitConflict, 413: ExitUsage,
		415: ExitFailed, 422: ExitUsage, 429: ExitConflict, 500: ExitUnreachable, 503: ExitUnreachable,
	}
	for _, info := range api.Codes() {
		exit, known := want[info.Status]
		if !known {
			t.Errorf("no exit code is known for %d (%s)", info.Status, info.Code)
		}
		cases = append(cases, struct {
			err  error
			exit Exit
			code string
		}{answer(info.Status, info.Code), exit, string(info.Code)})
	}
	for _, tc := range cases {
		if got := Describe(tc.err); got.Exit != tc.exit || got.Code != tc.code {
			t.Errorf("Describe(%v) = exit %d, code %q, want %d, %q", tc.err, got.Exit, got.Code, tc.exit, tc.code)
		}
	}
}
