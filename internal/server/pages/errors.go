package pages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// again shows a form with what is wrong with what was sent. What the person can do nothing about is passed on.
func (p *Pages) again(w http.ResponseWriter, r *http.Request, name string, v view, err error) error {
	refusal, ok := errors.AsType[*core.Error](err)
	if !ok || refusal.Code == api.CodeInternal {
		return err
	}
	v.Status = statusOf(refusal)
	v.Alert = alertOf(refusal)
	p.note(w, r, refusal, err)
	return p.show(w, r, name, v)
}

// failBody is what an error page shows.
type failBody struct {
	Text, Fix string
	Reference string // the request's id, for the operator
}

// fail answers with an error as a page. What is no *core.Error is the service's own fault: its text goes to the log and
// nowhere else.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*core.Error](err)
	if !ok || refusal.Code == api.CodeInternal {
		refusal = unexpected(err)
	}
	said := alertOf(refusal)
	p.note(w, r, refusal, err)
	v := view{Status: statusOf(refusal), Title: titleOf(refusal.Code), Body: failBody{
		Text: said.Text, Fix: said.Fix, Reference: w.Header().Get("Request-Id"),
	}}
	if err := p.show(w, r, "fail", v); err != nil { // the templates are at fault: this needs none
		p.Log.LogAttrs(r.Context(), slog.LevelError, "the error page can't be made", slog.Any("error", err))
		http.Error(w, v.Title+". Reference: "+w.Header().Get("Request-Id"), v.Status)
	}
}

// note sets when to try again and logs what is the service's fault.
func (p *Pages) note(w http.ResponseWriter, r *http.Request, refusal *core.Error, err error) {
	switch refusal.Code {
	case api.CodeTooManyTries:
		w.Header().Set("Retry-After", strconv.FormatInt(max(1, int64((refusal.RetryAfter+time.Second-1)/time.Second)), 10))
	case api.CodeUnavailable:
		w.Header().Set("Retry-After", "1")
	default:
	}
	if statusOf(refusal) < http.StatusInternalServerError {
		return
	}
	level := slog.LevelError
	if errors.Is(err, context.Canceled) {
		level = slog.LevelInfo // the browser left
	}
	p.Log.LogAttrs(r.Context(), level, "page failed", slog.String("request_id", w.Header().Get("Request-Id")),
		slog.String("route", r.Pattern), slog.Any("error", err))
}

// survive is deferred: it turns a panic into an error page.
func (p *Pages) survive(w http.ResponseWriter, r *http.Request) {
	crash := recover()
	if crash == nil {
		return
	}
	if crash == http.ErrAbortHandler { //nolint:errorlint // a panic's value, which nobody wraps
		panic(crash)
	}
	p.Log.LogAttrs(r.Context(), slog.LevelError, "page panicked", slog.String("request_id", w.Header().Get("Request-Id")),
		slog.String("route", r.Pattern), slog.String("panic", fmt.Sprint(crash)), slog.String("stack", string(debug.Stack())))
	p.fail(w, r, errPanicked)
}

var errPanicked = errors.New("a page panicked")

// unexpected is what a person may know of a failure that is not theirs.
func unexpected(err error) *core.Error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &core.Error{Code: api.CodeUnavailable, Detail: "the service took too long", Fix: "try again"}
	}
	return &core.Error{
		Code: api.CodeInternal, Detail: "something went wrong on our side",
		Fix: "try again; if that does not help, tell whoever runs this service, with the reference below",
	}
}

func noSuchPage() error {
	return &core.Error{Code: api.CodeNotFound, Detail: "there is nothing at this address", Fix: "check the link"}
}

// statusOf is the status of the code's row, but for one: 401 wants a challenge (RFC 9110 §15.5.2), and a browser would put
// up a window of its own for it.
func statusOf(e *core.Error) int {
	info, _ := e.Code.Info()
	if info.Status == http.StatusUnauthorized {
		return http.StatusForbidden
	}
	return info.Status
}

// alertOf says a refusal in sentences.
func alertOf(e *core.Error) *alert {
	said := &alert{Text: sentence(e.Detail), Fix: sentence(e.Fix)}
	if e.Code == api.CodeTooManyTries && e.RetryAfter > 0 {
		said.Fix = "Try again " + in(e.RetryAfter) + "."
	}
	return said
}

func titleOf(code api.Code) string {
	switch code {
	case api.CodeNotFound:
		return "This does not work any more"
	case api.CodeTooManyTries:
		return "Too many tries"
	case api.CodeForbidden, api.CodeOriginNotAllowed, api.CodeUnauthenticated:
		return "That was not allowed"
	case api.CodeUnavailable:
		return "Not available right now"
	case api.CodeInternal:
		return "Something went wrong"
	default:
		return "That did not work"
	}
}
