package mcpgateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Codes of JSON-RPC 2.0.
const (
	codeInvalid  = -32600
	codeInternal = -32603
)

// answerError says that the MCP server's answer is none to pass on.
type answerError struct{ reason string }

func (e *answerError) Error() string { return e.reason }

// checkAnswer refuses what would mean something else to a client: a sign-in, a redirect, a page.
func (g *Gateway) checkAnswer(res *http.Response) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden, res.StatusCode == http.StatusProxyAuthRequired:
		return &answerError{fmt.Sprintf("the MCP server refused the gateway: status %d", res.StatusCode)}
	case res.StatusCode < http.StatusOK, res.StatusCode >= 300 && res.StatusCode < 400:
		return &answerError{fmt.Sprintf("the MCP server answered with status %d, which is not followed", res.StatusCode)}
	case kind == "text/html", res.StatusCode == http.StatusOK && res.ContentLength != 0 && res.Request.Method != http.MethodDelete &&
		kind != "application/json" && kind != "text/event-stream":
		return &answerError{fmt.Sprintf("what answered with status %d is no MCP server", res.StatusCode)}
	}
	if kind == "text/event-stream" {
		res.Header.Set("X-Accel-Buffering", "no")
	}
	if err := bindAnswer(res); err != nil {
		return err
	}
	res.Body = &answerBody{ReadCloser: res.Body, gateway: g, ctx: res.Request.Context()}
	return nil
}

// answerBody logs why an answer was cut, unless the gateway or the client ended it.
type answerBody struct {
	io.ReadCloser
	gateway *Gateway
	ctx     context.Context //nolint:containedctx // of the request that it is the answer to
}

// Read implements io.Reader.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && (b.ctx.Err() == nil || errors.Is(context.Cause(b.ctx), errIdle)) {
		if b.ctx.Err() != nil {
			err = errIdle
		}
		b.gateway.logFailure(b.ctx, "the MCP upstream's answer was cut", err)
	}
	return n, err //nolint:wrapcheck // the proxy's to judge
}

func (g *Gateway) logFailure(ctx context.Context, message string, err error) {
	reason, req := err.Error(), of(ctx)
	g.log.LogAttrs(ctx, slog.LevelWarn, message, slog.String("request_id", req.id), slog.String("key_id", req.caller.KeyID),
		slog.String("error", reason[:min(len(reason), 300)]))
}

// failed answers for an MCP server that did not. The cause is the operator's: it goes to the log.
func (g *Gateway) failed(w http.ResponseWriter, r *http.Request, err error) {
	req := of(r.Context())
	cause := context.Cause(r.Context())
	if _, ended := errors.AsType[*endedError](cause); ended {
		return // Serve returns it
	}
	status, text := http.StatusBadGateway, "the MCP server behind this gateway can't be reached or does not answer as one"
	var timeout net.Error
	switch {
	case errors.Is(cause, errDraining):
		status, text, err = http.StatusServiceUnavailable, "the service stops; try again", cause
	case errors.Is(cause, errNoAnswer):
		status, text, err = http.StatusServiceUnavailable, "the key can't be checked now; try again", cause
	case cause != nil && !errors.Is(cause, errIdle):
		return // the client left
	case errors.As(err, &timeout) && timeout.Timeout():
		status, text = http.StatusGatewayTimeout, "the MCP server behind this gateway did not answer in time"
	}
	g.logFailure(r.Context(), "the MCP upstream failed", err)
	text += "; its operator finds the reason in Keyfob's log under " + req.id
	out, ok := w.(*writer)
	if !ok {
		return
	}
	out.started = true
	out.extend()
	answer(out.ResponseWriter, status, req.message, codeInternal, text, req.id)
}

// answer writes a JSON-RPC error for the message with the id; nil: null.
func answer(w http.ResponseWriter, status int, id []byte, code int, text, request string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(fault(id, code, text, request), '\n')) // a client that left needs no answer
}

// fault is the error of JSON-RPC for the message with the id; nil: null.
func fault(id []byte, code int, text, request string) []byte {
	type data struct {
		RequestID string `json:"request_id"`
	}
	type object struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    data   `json:"data"`
	}
	body, err := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   object          `json:"error"`
	}{"2.0", id, object{code, text, data{request}}})
	if err != nil {
		body = nil // an id that was read as JSON, strings and a number always marshal
	}
	return body
}

// messageID returns the id of a message that may be cut, if that is a string or a number; nil: it has none.
func messageID(message []byte) []byte {
	dec := jsontext.NewDecoder(strings.NewReader(string(message)))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return nil
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil
		}
		if name.String() != "id" {
			if dec.SkipValue() != nil {
				return nil
			}
			continue
		}
		id, err := dec.ReadValue()
		if err != nil || id.Kind() != '"' && id.Kind() != '0' {
			return nil
		}
		return id.Clone()
	}
	return nil
}

// passed are the headers of an answer that reach clients, beside those that begin with Mcp-: the MCP server shares its origin with
// people's sign-in, so cookies and the like are not among them.
func passed(name string) bool {
	switch name {
	case "Content-Type", "Content-Length", "Content-Encoding", "Allow", "Retry-After", "X-Accel-Buffering":
		return true
	}
	return strings.HasPrefix(name, "Mcp-")
}

// writer lets only the headers through that may pass, and gives each write its own deadline.
type writer struct {
	http.ResponseWriter
	own     http.Header // of the answer; informational ones end here
	control *http.ResponseController
	stream  *stream
	bounds  bounds
	started bool
	tail    [3]byte // what was written last
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.own }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if status < http.StatusOK || w.started {
		return
	}
	w.started = true
	to := w.ResponseWriter.Header()
	for name, values := range w.own {
		if passed(name) {
			to[name] = values
		}
	}
	to.Set("Cache-Control", "no-store, no-transform") // no-transform: proxies must not hold back a stream
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(b []byte) (int, error) {
	w.extend()
	n, err := w.ResponseWriter.Write(b)
	for _, c := range b[max(0, n-len(w.tail)):n] {
		w.tail = [3]byte{w.tail[1], w.tail[2], c}
	}
	return n, err
}

func (w *writer) extend() {
	w.stream.idle.Reset(w.bounds.idle)
	_ = w.control.SetWriteDeadline(time.Now().Add(w.bounds.write)) // what can't have one needs none
}

// between says that the answer is a stream of events in which one may follow now.
func (w *writer) between() bool {
	kind, _, _ := mime.ParseMediaType(w.own.Get("Content-Type"))
	return kind == "text/event-stream" && w.own.Get("Content-Encoding") == "" && (w.tail == [3]byte{} || endsEvent(w.tail[:]))
}

// endsEvent says that a stream of events ends with an empty line. Its lines may end with LF, CR LF or CR.
func endsEvent(stream []byte) bool {
	line, ended := bytes.CutSuffix(stream, []byte("\n"))
	line, returned := bytes.CutSuffix(line, []byte("\r"))
	return (ended || returned) && (bytes.HasSuffix(line, []byte("\n")) || bytes.HasSuffix(line, []byte("\r")))
}

// last ends a stream of events with an error for the message with the id.
func (w *writer) last(id []byte, text, request string) {
	_, err := fmt.Fprintf(w, "event: message\ndata: %s\n\n", fault(id, codeInternal, text, request))
	if err == nil {
		_ = w.control.Flush() // a client that left needs no answer
	}
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
