package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// recorder remembers what was answered, for the log and for recovery.
type recorder struct {
	http.ResponseWriter
	status int
	id     [1]string // the header Request-Id
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// finish is deferred: it turns a panic into a 500 and writes the request's log line. The line holds the route's
// pattern, never the URL or a header: those can carry a key.
func (s *Server) finish(rec *recorder, r *http.Request, start time.Time) {
	crash := recover()
	if crash != nil && crash != any(http.ErrAbortHandler) { // that one cuts an answer on purpose
		s.Log.LogAttrs(r.Context(), slog.LevelError, "handler panicked",
			slog.String("request_id", rec.id[0]), slog.String("route", r.Pattern),
			slog.String("panic", fmt.Sprint(crash)), slog.String("stack", string(debug.Stack())))
		if rec.status == 0 {
			s.fail(rec, r, errPanicked)
		}
	}
	took := time.Since(start)
	s.metrics.observe(r, rec.status, took)
	level := slog.LevelInfo
	if r.Pattern == authzPath && rec.status == http.StatusNoContent {
		level = slog.LevelDebug // the gateway logs what it lets through, and a line costs more than the check
	}
	if crash == nil && !s.Log.Enabled(r.Context(), level) {
		return
	}
	s.Log.LogAttrs(r.Context(), level, "request",
		slog.String("method", method(r.Method)), slog.String("route", r.Pattern), slog.Int("status", rec.status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("request_id", rec.id[0]))
	if crash != nil && rec.status < http.StatusInternalServerError {
		panic(http.ErrAbortHandler) // the answer was cut: the connection must not look sound
	}
}

var errPanicked = errors.New("a handler panicked")

// method keeps a made-up method of any length out of the log.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return m
	default:
		return "other"
	}
}
