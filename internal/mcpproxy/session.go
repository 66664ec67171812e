package mcpproxy

import (
	"context"
	"net/http"

	"github.com/keyfob/keyfob/internal/mcpwire"
)

// greet notes the handshake that the client begins, which ends what was agreed before.
func (b *bridge) greet(m message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hello = m
	b.wire = wireState{round: b.wire.round + 1}
}

// open notes the session that the answer to a handshake begins.
func (b *bridge) open(h http.Header) error {
	id, err := mcpwire.SessionID(h)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wire.session = id
	return nil
}

// greetAgain makes the client's handshake again after the server has lost the session, as a server does that was started anew. The
// client, whose transport has no sessions, hears nothing of it.
func (b *bridge) greetAgain(ctx context.Context, p patience, lost string) *rpcError {
	b.helloMu.Lock()
	defer b.helloMu.Unlock()
	if b.state().session != lost {
		return nil // another request did it
	}
	b.mu.Lock()
	hello, before := b.hello, b.wire
	b.mu.Unlock()
	b.greet(hello)
	made := false
	defer func() {
		if !made { // so that the next request tries again
			b.mu.Lock()
			b.wire.session, b.wire.protocol = before.session, before.protocol
			b.mu.Unlock()
		}
	}()
	// The call is not among the pending ones: its answer goes nowhere.
	c := &call{message: hello, cancel: func() {}}
	resp, e := b.post(ctx, hello)
	if e != nil {
		return e
	}
	defer func() { _ = resp.Body.Close() }()
	if e := b.answer(ctx, p, c, resp); e != nil {
		return e
	}
	made = b.state().protocol != ""
	if !made {
		return failed("the server has lost the session and refuses a new one")
	}
	p.timer.Reset(headerTimeout)
	b.tell(ctx, message{
		kind: notification, method: methodInitialized, raw: []byte(`{"jsonrpc":"2.0","method":"` + methodInitialized + `"}`),
	})
	return nil
}
