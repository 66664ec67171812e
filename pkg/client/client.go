// Package client is the typed HTTP client of a Keyfob service.
//
// It follows no redirect, so that a credential never leaves the origin it was made for; it bounds every wait and every
// answer; and it tells an answer that is a failure (*Error) from no answer (*UnreachableError). It must not know the
// command line, configuration or where credentials are kept.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Limits of one request.
const (
	// Timeout bounds one request, from dialling to the end of the answer.
	Timeout = 30 * time.Second
	// maxBody bounds an answer in bytes.
	maxBody = 16 << 20
)

const mediaJSON = "application/json"

// Config says which service to talk to and as whom.
type Config struct {
	// URL is the service's origin, as ParseURL accepts it.
	URL string
	// Token is the session; zero for calls that need none.
	Token secret.Secret
	// UserAgent is sent with each request.
	UserAgent string
	// Trace, when set, is told of each request and answer: method, path, status, duration. It never sees a secret.
	Trace func(string)
	// Once makes each request a single time, for who has another way on.
	Once bool
	// Waiting, when set, is told when a request begins (true) and ends (false), for a sign of progress.
	Waiting func(bool)
}

// Client talks to one service. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token secret.Secret
	agent string
	trace func(string)
	wait  func(bool)
	tries int
	http  *http.Client
}

// New returns a client; it makes no request.
func New(cfg Config) (*Client, error) {
	base, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	tries := maxTries
	if cfg.Once {
		tries = 1
	}
	return &Client{
		base: base, token: cfg.Token, agent: cfg.UserAgent, trace: cfg.Trace, wait: cfg.Waiting, tries: tries,
		http: &http.Client{
			Timeout: Timeout, Transport: transport(),
			// Go would carry Authorization along to the same host name on any scheme and port.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// transport is Go's own with a limit on what an answer's header may weigh.
func transport() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	bounded := base.Clone()
	bounded.MaxResponseHeaderBytes = 64 << 10
	bounded.MaxIdleConnsPerHost = 16 // who works on many keys at once keeps the connections
	return bounded
}

// namesSecret says that the request's URL would hold a secret: somebody gave it in the place of a name.
func namesSecret(r request) bool {
	for _, part := range append(strings.Split(mustUnescape(r.path), "/"), r.query.Get("key"), r.query.Get("actor")) {
		if strings.HasPrefix(part, string(secret.Key)) || strings.HasPrefix(part, string(secret.Session)) {
			return true
		}
	}
	return false
}

// Origin returns the service's origin: scheme, host and port.
func (c *Client) Origin() string { return c.base.String() }

// request is one call of the API.
type request struct {
	method string
	path   string // escaped
	query  url.Values
	body   any
	form   url.Values    // instead of a body: the device endpoints take forms (RFC 8628 §3.1)
	bearer secret.Secret // zero: the client's session
	// idempotency makes a create that can be repeated: the service gives the first one's answer again.
	idempotency string
	// idempotent says so of a request whose method does not: what it asks for can be asked for twice.
	idempotent bool
	// gone is success on another try: the answer to the one that deleted it was lost.
	gone api.Code
}

// answer is a response that was read to its end.
type answer struct {
	*http.Response

	body []byte
}

// do makes the request, again where that can help, and decodes the answer into out (nil: there is none to decode).
func (c *Client) do(ctx context.Context, r request, out any) error {
	if namesSecret(r) {
		return &Error{
			Origin: c.Origin(), Status: http.StatusBadRequest, Code: api.CodeInvalidRequest,
			Message: "a key is named by its name or id, not by its secret", Fix: "ask which key a secret is of with a lookup",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, maxTotal)
	defer cancel()
	if c.wait != nil {
		c.wait(true)
		defer c.wait(false)
	}
	tries := newRetries()
	tries.max = c.tries
	for {
		req, err := c.newRequest(ctx, r)
		if err != nil {
			return err
		}
		res, err := c.once(ctx, req, r.path)
		status, header := 0, http.Header{}
		if err == nil {
			status, header = res.StatusCode, res.Header
			err = c.decode(res.Response, res.body, out)
		}
		var answered *Error
		if r.gone != "" && tries.tries > 0 && errors.As(err, &answered) && answered.Code == r.gone {
			return nil
		}
		if err == nil || errors.Is(err, context.Canceled) || !tries.again(ctx, r, status, header) {
			return err
		}
	}
}

// once makes the request one time.
func (c *Client) once(ctx context.Context, req *http.Request, path string) (*answer, error) {
	started := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		c.traceLine("%s %s: no answer after %s", req.Method, path, time.Since(started).Round(time.Millisecond))
		return nil, c.unreachable(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	c.traceLine("%s %s: %d, %d bytes, %s", req.Method, path, res.StatusCode, len(body), time.Since(started).Round(time.Millisecond))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if len(body) > maxBody {
		return nil, c.odd(res, fmt.Sprintf("answered with more than %d MiB", maxBody>>20))
	}
	return &answer{res, body}, nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	target := *c.base
	target.Path, target.RawPath = mustUnescape(r.path), r.path
	target.RawQuery = r.query.Encode()
	var body io.Reader
	if r.body != nil {
		doc, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(doc)
	}
	if r.form != nil {
		body = strings.NewReader(r.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), body)
	if err != nil {
		return nil, err
	}
	bearer := r.bearer
	if bearer.IsZero() {
		bearer = c.token
	}
	if !bearer.IsZero() && r.form == nil {
		req.Header.Set("Authorization", "Bearer "+bearer.Reveal())
	}
	switch {
	case r.body != nil:
		req.Header.Set("Content-Type", mediaJSON)
	case r.form != nil:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.idempotency != "" {
		req.Header.Set("Idempotency-Key", strconv.Quote(r.idempotency)) // a structured-field string
	}
	req.Header.Set("Accept", mediaJSON)
	req.Header.Set("User-Agent", c.agent)
	return req, nil
}

func (c *Client) decode(res *http.Response, body []byte, out any) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode >= 400:
		return c.failure(res, kind, body)
	case res.StatusCode >= 300:
		return c.odd(res, "answered with a redirect, which is never followed with a credential")
	case out == nil:
		return nil
	case kind != mediaJSON:
		return c.odd(res, "answered with something other than JSON")
	}
	if err := json.Unmarshal(body, out); err != nil {
		return c.odd(res, "answered with JSON of another shape")
	}
	return nil
}

func (c *Client) failure(res *http.Response, kind string, body []byte) error {
	e := &Error{Origin: c.Origin(), Status: res.StatusCode, RequestID: res.Header.Get("Request-Id")}
	var p api.Problem
	if kind == "application/problem+json" && json.Unmarshal(body, &p) == nil && p.Code != "" {
		e.Code, e.Message, e.Fix = p.Code, p.Detail, p.Fix
		e.LastUsedAt, e.Calls24h = p.LastUsedAt, p.Calls24h
		if p.RequestID != "" {
			e.RequestID = p.RequestID
		}
		return e
	}
	var oauth api.OAuthError
	if kind == mediaJSON && json.Unmarshal(body, &oauth) == nil && oauth.Code != "" {
		e.Code, e.Message = api.Code(oauth.Code), oauth.Description
		return e
	}
	e.Message = "the service answered " + res.Status
	return e
}

func (c *Client) odd(res *http.Response, what string) error {
	return &Error{
		Origin: c.Origin(), Status: res.StatusCode, Code: CodeOddAnswer, Message: c.Origin() + " " + what,
		Fix: "check that the URL is a Keyfob service's", RequestID: res.Header.Get("Request-Id"),
	}
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	// The user's own cancellation is not the service's fault.
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return cause
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // *url.Error prints the whole URL
	}
	return &UnreachableError{Origin: c.Origin(), Err: err}
}

func (c *Client) traceLine(format string, args ...any) {
	if c.trace != nil {
		c.trace(fmt.Sprintf(format, args...))
	}
}

// mustUnescape undoes what path built with url.PathEscape; such a path always can be.
func mustUnescape(path string) string {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return plain
}
