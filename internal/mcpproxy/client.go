package mcpproxy

import (
	"context"
	"encoding/json"
	"fmt"
)

// call is a request of the client that has no answer yet.
type call struct {
	message

	version string // the revision that it speaks
	cancel  context.CancelFunc
}

// handle passes on what the client wrote. Requests are in flight side by side. All else, and the handshake, is waited for, so that the
// server sees it before what follows.
func (b *bridge) handle(ctx context.Context, l line) {
	if l.long {
		b.write(failure(nil, &rpcError{codeInvalid, fmt.Sprintf("the message is larger than %d MiB", maxMessage>>20)}))
		return
	}
	many, ok := batch(l.text)
	if !ok {
		_, e := parse(l.text)
		b.write(failure(nil, e))
		return
	}
	for _, raw := range many {
		m, e := parse(raw)
		switch {
		case e != nil:
			b.write(failure(m.rawID, e))
		case m.kind == request:
			b.begin(ctx, m)
		case m.method == methodCancelled:
			b.cancelled(ctx, m)
		default:
			b.tell(ctx, m)
		}
	}
}

// begin sends a request off.
func (b *bridge) begin(ctx context.Context, m message) {
	ctx, cancel := context.WithCancel(ctx) // of the answer's stream, too
	c := &call{message: m, cancel: cancel}
	b.mu.Lock()
	if v := revision(m.params); v >= stateless {
		b.wire.modern = v
	}
	c.version = b.wire.version(m)
	_, taken := b.pending[m.id]
	full := len(b.pending) >= maxPending
	if !taken && !full {
		b.pending[m.id] = c
	}
	b.mu.Unlock()
	switch {
	case taken: // an answer with this id would be taken for the other's
		cancel()
		b.write(failure(nil, &rpcError{codeInvalid, "a request with this id is in flight already"}))
		return
	case full:
		cancel()
		b.write(failure(m.rawID, failed("more than %d requests are in flight", maxPending)))
		return
	}
	work := func() {
		defer cancel()
		if err := b.request(ctx, c); err != nil && b.ctx.Err() == nil {
			b.settle(c, failure(c.rawID, err))
		}
	}
	switch m.method {
	case methodInitialize: // what follows needs the session
		work()
	case methodListen:
		b.streams.Go(work)
	default:
		b.drained.Add(1)
		b.streams.Go(func() {
			defer b.drained.Done()
			work()
		})
	}
}

// settle writes the answer to a request, if it is the first.
func (b *bridge) settle(c *call, answer []byte) {
	b.mu.Lock()
	waits := b.pending[c.id] == c
	if waits {
		delete(b.pending, c.id)
	}
	b.mu.Unlock()
	if waits {
		b.write(answer)
	}
}

// cancelled gives up a request. From 2026-07-28 on, hanging up says so to the server; before, the notification does.
func (b *bridge) cancelled(ctx context.Context, m message) {
	var p struct {
		ID json.RawMessage `json:"requestId"`
	}
	_ = json.Unmarshal(m.params, &p)
	id, _ := canonical(p.ID)
	b.mu.Lock()
	c := b.pending[id]
	if c != nil {
		delete(b.pending, id)
	}
	b.mu.Unlock()
	switch {
	case c == nil:
		if b.state().version(m) < stateless {
			b.tell(ctx, m)
		}
		return
	case c.version < stateless:
		b.tell(ctx, m)
	}
	c.cancel()
}

// tell passes on a notification or a response. Nobody waits for an answer that could be an error.
func (b *bridge) tell(ctx context.Context, m message) {
	limited, cancel := context.WithTimeout(ctx, briefTimeout)
	defer cancel()
	resp, err := b.post(limited, m)
	if err != nil {
		if ctx.Err() == nil {
			b.Note("%s was not delivered: %s", describe(m), err.Message)
		}
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		b.Note("%s was not delivered: the server answered HTTP %d", describe(m), resp.StatusCode)
		return
	}
	if m.method == methodInitialized {
		b.listen()
	}
}

func describe(m message) string {
	if m.kind == response {
		return "a response"
	}
	return fmt.Sprintf("the notification %.100q", m.method)
}

func (b *bridge) state() wireState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wire
}
