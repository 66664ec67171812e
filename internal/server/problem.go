package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// fail answers a request with the problem that err is. What is no *core.Error is the service's own fault: its text goes
// to the log and nowhere else.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var known *core.Error
	if !errors.As(err, &known) || known.Code == api.CodeInternal {
		known = unexpected(err)
	}
	info, _ := known.Code.Info()
	if info.Status >= http.StatusInternalServerError {
		s.logFailure(w, r, err)
	}
	switch info.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", challenge(err))
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryAfter(known))
		setRate(w, known.Rate)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1") // seconds: a busy store is free soon, a replica that stops has others beside it
	}
	writeProblem(w, info, known)
}

// unexpected is what a client may know of a failure that is not its own.
func unexpected(err error) *core.Error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &core.Error{Code: api.CodeUnavailable, Detail: "the service took too long", Fix: "try again"}
	}
	return &core.Error{Code: api.CodeInternal, Detail: "the service could not answer this request"}
}

// retryAfter is after how many seconds another try makes sense.
func retryAfter(e *core.Error) string {
	seconds := (e.RetryAfter + time.Second - 1) / time.Second
	return strconv.FormatInt(max(1, int64(seconds)), 10)
}

func (s *Server) logFailure(w http.ResponseWriter, r *http.Request, err error) {
	level := slog.LevelError
	if errors.Is(err, context.Canceled) {
		level = slog.LevelInfo // the client left
	}
	attrs := []slog.Attr{
		slog.String("request_id", answerID(w)), slog.String("route", r.Pattern), slog.Any("error", err),
	}
	var known *core.Error
	if errors.As(err, &known) && known.Unwrap() != nil {
		attrs = append(attrs, slog.Any("cause", known.Unwrap()))
	}
	if known != nil && known.Code == api.CodeReplicaStale {
		level = slog.LevelDebug // every check is one; the log says why there is no lease
	}
	s.Log.LogAttrs(r.Context(), level, "request failed", attrs...)
}

// challenge is the WWW-Authenticate header of a 401 (RFC 6750 §3). It names no metadata: clients that find any start an
// OAuth sign-in instead of sending the key they have.
func challenge(err error) string {
	if errors.Is(err, errNoCredential) {
		return "Bearer"
	}
	return `Bearer error="invalid_token"`
}

func writeProblem(w http.ResponseWriter, info api.CodeInfo, e *core.Error) {
	body, err := json.Marshal(api.Problem{
		Type: "urn:keyfob:problem:" + string(info.Code), Title: info.Title, Status: info.Status,
		Detail: e.Detail, Code: info.Code, RequestID: answerID(w), Fix: e.Fix,
		LastUsedAt: wireTime(e.LastUsedAt), Calls24h: e.Calls24h,
	})
	if err != nil {
		body = nil // strings, numbers and a time of this century always marshal
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(info.Status)
	_, _ = w.Write(append(body, '\n')) // a client that left needs no answer
}
