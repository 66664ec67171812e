// Package mcpgateway passes MCP requests (Streamable HTTP) whose key was checked on to the MCP server that they are for, and ends
// what is open when the key no longer opens it. It knows HTTP and the frame of JSON-RPC; it must not know how keys are checked.
package mcpgateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

const (
	maxBody   = 4 << 20
	maxHeader = 64 << 10
)

// bounds are what a test would wait too long for.
type bounds struct {
	header time.Duration // until an answer begins: a server that answers with JSON sends nothing before its tool is done
	idle   time.Duration // between two writes
	write  time.Duration // of one write
	check  time.Duration // between two questions whether a key still opens
	grace  time.Duration // of calls, once the service stops
	perKey int           // requests under way with one key, streams among them
}

func defaults() bounds {
	return bounds{
		header: 5 * time.Minute, idle: time.Hour, write: 30 * time.Second, check: 250 * time.Millisecond, grace: 5 * time.Second,
		perKey: 256,
	}
}

// Caller is whom a request comes from.
type Caller struct {
	Org, KeyID, KeyName string
	// Secret names the secret that was presented, without being it: all that is open by it is asked about once.
	Secret string
	// Still says whether the secret still opens: refused says why not, err that it could not be found out.
	Still func(context.Context) (refused, err error)
	// Tag makes what Tagged takes: for the same text and the same key only, on any replica.
	Tag    func(text string) ([]byte, error)
	Tagged func(text string, tag []byte) bool
}

// Gateway stands before one MCP server.
type Gateway struct {
	upstream, public *url.URL
	log              *slog.Logger
	bounds           bounds
	streams          streams
	proxy            *httputil.ReverseProxy
}

// New makes a gateway; public is where clients reach it.
func New(upstream, public *url.URL, logger *slog.Logger) *Gateway {
	return newGateway(upstream, public, logger, defaults())
}

func newGateway(upstream, public *url.URL, logger *slog.Logger, b bounds) *Gateway {
	g := &Gateway{upstream: upstream, public: public, log: logger, bounds: b}
	g.streams = streams{bounds: b, groups: map[string]*group{}, perKey: map[string]int{}}
	g.proxy = &httputil.ReverseProxy{
		Rewrite: g.rewrite, ModifyResponse: g.checkAnswer, ErrorHandler: g.failed, FlushInterval: -1,
		ErrorLog: log.New(io.Discard, "", 0), // what goes wrong is logged here
		Transport: &http.Transport{ // no proxy: the environment says nothing of this server
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: b.header, MaxResponseHeaderBytes: maxHeader,
			DisableCompression: true, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     4 * time.Second, // Node and uvicorn close theirs after 5: a POST must not meet that
		},
	}
	return g
}

// Open is how many requests are under way, streams among them.
func (g *Gateway) Open() int { return g.streams.count() }

// Drain ends event streams that clients hold open, and, after a while, all else.
func (g *Gateway) Drain() { g.streams.drain() }

// Serve passes the request on. An error means that nothing was answered yet: it is what Caller.Still said.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, c Caller) error {
	id := w.Header().Get("Request-Id")
	if r.Method != http.MethodPost && r.Method != http.MethodGet && r.Method != http.MethodDelete {
		w.Header().Set("Allow", "GET, POST, DELETE")
		answer(w, http.StatusMethodNotAllowed, nil, codeInvalid, "an MCP server takes GET, POST and DELETE", id)
		return nil
	}
	ctx, st := g.streams.open(r.Context(), c, r.Method == http.MethodGet)
	if st == nil {
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusTooManyRequests, nil, codeInternal, fmt.Sprintf("the key has %d requests open; end some", g.bounds.perKey), id)
		return nil
	}
	defer g.streams.close(st)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		answer(w, http.StatusRequestEntityTooLarge, messageID(body), codeInvalid, "the message is larger than 4 MiB", id)
		return nil
	}
	if err != nil {
		answer(w, http.StatusBadRequest, nil, codeInvalid, "the message could not be read to its end", id)
		return nil
	}
	session, ok := c.session(r.Header)
	if !ok {
		answer(w, http.StatusNotFound, messageID(body), codeInvalid, "there is no such session of this key; begin one", id)
		return nil
	}
	out := &writer{ResponseWriter: w, own: http.Header{}, control: http.NewResponseController(w), stream: st, bounds: g.bounds}
	_ = out.control.SetReadDeadline(time.Time{}) // that of the request would end the answer with it
	r = r.WithContext(context.WithValue(ctx, requestKey{}, request{c, messageID(body), id, session, r.Header.Get(sessionHeader)}))
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	g.pass(out, r)
	out.extend() // the end of the answer is a write, too
	if ended, ok := errors.AsType[*endedError](context.Cause(ctx)); ok && !out.started {
		return ended.reason
	}
	return nil
}

// pass has the proxy pass the request on. It panics where an answer is cut, so that the client sees it cut. A call whose key was
// refused ends with a message instead if it can: clients take a cut stream up again, and wait for a result that they may not have. A
// stream that the client only listens to ends as it may at any time, when the service stops.
func (g *Gateway) pass(out *writer, r *http.Request) {
	req, ctx := of(r.Context()), r.Context()
	defer func() {
		cut := recover()
		if cut == nil {
			return
		}
		cause := context.Cause(ctx)
		if errors.Is(cause, errNoAnswer) { // nobody else would tell
			g.logFailure(ctx, "an answer of the MCP upstream was cut", cause)
		}
		if errors.Is(cause, errDraining) && r.Method == http.MethodGet && out.between() {
			return
		}
		ended, ok := errors.AsType[*endedError](cause)
		if !ok || cut != http.ErrAbortHandler || req.message == nil || !out.between() { //nolint:errorlint,err113 // as net/http compares
			panic(cut)
		}
		out.last(req.message, ended.Error(), req.id)
	}()
	g.proxy.ServeHTTP(out, r)
}

type requestKey struct{}

// request is what the hooks of the proxy need of one.
type request struct {
	caller  Caller
	message []byte // its id, in JSON
	id      string
	session string // as the MCP server names it
	// presented is what the client names it
	presented string
}

// dropped are headers of clients that do not reach the MCP server: credentials, those of this site and those of one connection.
// Of names that a server may take for one of ours (CGI and WSGI write _ for -) hidden takes care.
func dropped() []string {
	return []string{
		"Authorization", "X-Api-Key", "Cookie", "Origin", "Referer", "Expect", "Upgrade", "Connection", "Te", "Proxy-Authorization",
	}
}

func hidden(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return strings.HasPrefix(name, "keyfob-") || strings.HasPrefix(name, "x-forwarded-") || name == "x-api-key" || name == "x-real-ip" ||
		name == "mcp-session-id"
}

func (g *Gateway) rewrite(pr *httputil.ProxyRequest) {
	out := pr.Out
	out.URL = &url.URL{
		Scheme: g.upstream.Scheme, Host: g.upstream.Host, Path: g.upstream.Path, RawPath: g.upstream.RawPath,
		RawQuery: withoutKey(pr.In.URL.RawQuery),
	}
	out.Host = "" // the URL's
	for _, name := range dropped() {
		out.Header.Del(name)
	}
	for name := range out.Header {
		if hidden(name) {
			delete(out.Header, name)
		}
	}
	pr.SetXForwarded()
	out.Header.Set("X-Forwarded-Host", g.public.Host)
	out.Header.Set("X-Forwarded-Proto", g.public.Scheme)
	req := of(pr.In.Context())
	if req.session != "" {
		out.Header.Set(sessionHeader, req.session)
	}
	c := req.caller
	out.Header.Set(api.HeaderOrg, c.Org)
	out.Header.Set(api.HeaderKeyID, c.KeyID)
	out.Header.Set(api.HeaderKeyName, url.PathEscape(c.KeyName))
}

func of(ctx context.Context) request {
	r, _ := ctx.Value(requestKey{}).(request)
	return r
}

// withoutKey takes the key out of a query, and leaves the rest as it is.
func withoutKey(query string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil && plain != "api_key" && part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}
