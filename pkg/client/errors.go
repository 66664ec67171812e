package client

import (
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// CodeOddAnswer is the client's own code for an answer that no Keyfob service gives.
const CodeOddAnswer api.Code = "unexpected-answer"

// Error is an answer of the service that is a failure. It holds no secret.
type Error struct {
	Origin    string
	Status    int
	Code      api.Code // empty when the answer was no problem document
	Message   string
	Fix       string
	RequestID string

	// LastUsedAt and Calls24h come with api.CodeKeyRecentlyUsed.
	LastUsedAt *time.Time
	Calls24h   int64
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// UnreachableError says that the service gave no answer.
type UnreachableError struct {
	Origin string
	Err    error
}

// Error names the service and the cause.
func (e *UnreachableError) Error() string { return "can't reach " + e.Origin + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }
