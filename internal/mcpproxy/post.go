package mcpproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/keyfob/keyfob/internal/mcpwire"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	mediaJSON   = "application/json"
	mediaEvents = "text/event-stream"
)

// outgoing is one HTTP request.
type outgoing struct {
	message

	wire    wireState
	version string
	last    string // Last-Event-ID
}

// request sends a request of the client and passes on all that comes back, until its answer. The error is for the client.
func (b *bridge) request(ctx context.Context, c *call) *rpcError {
	if c.method == methodInitialize {
		b.greet(c.message)
	}
	ctx, p := newPatience(ctx, headerTimeout)
	defer p.stop()
	resp, e := b.postInSession(ctx, p, c)
	if e != nil {
		return e
	}
	defer func() { _ = resp.Body.Close() }()
	return b.answer(ctx, p, c, resp)
}

// postInSession sends a request once more, in a new session, if the server does not know the session any longer.
func (b *bridge) postInSession(ctx context.Context, p patience, c *call) (*http.Response, *rpcError) {
	session := b.state().session
	resp, e := b.post(ctx, c.message)
	if e != nil || resp.StatusCode != http.StatusNotFound || session == "" || c.method == methodInitialize {
		return resp, e
	}
	_ = resp.Body.Close()
	if e := b.greetAgain(ctx, p, session); e != nil {
		return nil, e
	}
	return b.post(ctx, c.message)
}

// patience ends a context with ErrTimeout when its timer ends.
type patience struct {
	timer *time.Timer
	stop  func()
}

func newPatience(ctx context.Context, d time.Duration) (context.Context, patience) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(d, func() { cancel(mcpwire.ErrTimeout) })
	return ctx, patience{timer, func() {
		timer.Stop()
		cancel(nil)
	}}
}

// post sends a message. A secret that the server refuses is fetched anew and the message sent once more.
func (b *bridge) post(ctx context.Context, m message) (*http.Response, *rpcError) {
	state := b.state()
	if m.method == methodInitialize {
		state.session, state.protocol = "", ""
	}
	return b.send(ctx, http.MethodPost, outgoing{message: m, wire: state, version: state.version(m)})
}

func (b *bridge) send(ctx context.Context, method string, out outgoing) (*http.Response, *rpcError) {
	var refused secret.Secret
	for {
		access, err := b.ask(ctx, refused)
		if err != nil {
			return nil, failed("%v", err)
		}
		resp, err := b.do(ctx, method, access, out)
		if err != nil {
			return nil, failed("%v", mcpwire.Reason(ctx, err))
		}
		switch {
		case resp.StatusCode == http.StatusUnauthorized && refused.IsZero():
			refused = access.Secret
			_ = resp.Body.Close()
			continue
		case mcpwire.IsRedirect(resp.StatusCode):
			_ = resp.Body.Close()
			return nil, failed("%v", mcpwire.ErrRedirect)
		}
		return resp, nil
	}
}

// ask returns where to send what, and fetches it the first time and when the server has refused the secret.
func (b *bridge) ask(ctx context.Context, refused secret.Secret) (Access, error) {
	b.accessMu.Lock()
	defer b.accessMu.Unlock()
	if !b.access.Secret.IsZero() && b.access.Secret != refused {
		return b.access, nil
	}
	access, err := b.Access(ctx, refused)
	if err != nil {
		return Access{}, err
	}
	b.access = access
	return access, nil
}

func (b *bridge) do(ctx context.Context, method string, to Access, out outgoing) (*http.Response, error) {
	var body io.Reader
	if out.raw != nil {
		body = bytes.NewReader(out.raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, to.URL, body)
	if err != nil {
		return nil, mcpwire.ErrUnreachable // its text repeats the URL
	}
	h := req.Header
	h.Set("Authorization", "Bearer "+to.Secret.Reveal())
	h.Set("User-Agent", b.Agent)
	h.Set("Accept", mediaJSON+", "+mediaEvents)
	if method == http.MethodGet {
		h.Set("Accept", mediaEvents)
	}
	if body != nil {
		h.Set("Content-Type", mediaJSON)
	}
	if out.version == "" {
		out.version = out.wire.protocol
	}
	if out.version != "" {
		h.Set(mcpwire.ProtocolHeader, out.version)
	}
	if out.version >= stateless {
		b.route(h, out.message)
	} else if out.wire.session != "" {
		h.Set(mcpwire.SessionHeader, out.wire.session)
	}
	if out.last != "" {
		h.Set("Last-Event-ID", out.last)
	}
	return b.http.Do(req)
}

// answer passes on what came for a request.
func (b *bridge) answer(ctx context.Context, p patience, c *call, resp *http.Response) *rpcError {
	if c.method == methodInitialize && resp.StatusCode == http.StatusOK {
		if err := b.open(resp.Header); err != nil {
			return failed("%v", err)
		}
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode/100 != 2:
		return b.refusal(p, c, media, resp)
	case media == mediaEvents:
		p.timer.Stop()
		return b.follow(ctx, c, resp)
	case media != mediaJSON:
		return failed("the server answered HTTP %d with neither %s nor %s", resp.StatusCode, mediaJSON, mediaEvents)
	}
	doc, err := p.body(resp)
	if err != nil {
		return failed("%v", mcpwire.Reason(ctx, err))
	}
	done, e := b.deliver(c, doc)
	if e == nil && !done {
		e = failed("the server's answer holds no response to the request")
	}
	return e
}

// body reads a whole answer. It may be long in coming, but not stand still.
func (p patience) body(resp *http.Response) ([]byte, error) {
	p.timer.Reset(briefTimeout)
	return io.ReadAll(mcpwire.Capped(resting{resp.Body, p.timer}, maxMessage))
}

// resting begins the wait anew with each piece that comes.
type resting struct {
	r     io.Reader
	timer *time.Timer
}

func (r resting) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if n > 0 {
		r.timer.Reset(briefTimeout)
	}
	return n, err
}

// refusal makes an answer that is no success the client's: a JSON-RPC error as it is, a problem document (RFC 9457) by its words.
func (b *bridge) refusal(p patience, c *call, media string, resp *http.Response) *rpcError {
	doc, err := p.body(resp)
	if err != nil || media != mediaJSON && media != "application/problem+json" {
		return failed("the server answered HTTP %d", resp.StatusCode)
	}
	if m, e := parse(doc); e == nil && m.kind == response && !isNull(m.fault) {
		b.settle(c, failure(c.rawID, m.fault))
		return nil
	}
	var problem struct {
		Detail string `json:"detail"`
		Fix    string `json:"fix"`
	}
	if json.Unmarshal(doc, &problem) != nil || problem.Detail == "" {
		return failed("the server answered HTTP %d", resp.StatusCode)
	}
	if problem.Fix != "" {
		problem.Detail += "; " + problem.Fix
	}
	return failed("the server answered HTTP %d: %.500s", resp.StatusCode, problem.Detail)
}
