package mcpproxy

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"time"

	"github.com/keyfob/keyfob/internal/mcpwire"
)

const (
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second
	maxFruitless = 5 // times in a row that a request's stream is taken up again and brings nothing
)

// follow passes on the stream that answers a request. One that ends before the answer is taken up again where the server gave its
// events ids.
func (b *bridge) follow(ctx context.Context, c *call, resp *http.Response) *rpcError {
	at, fruitless := position{}, 0
	for {
		before := at.last
		done, e := b.pass(c, resp, &at)
		_ = resp.Body.Close()
		if done || e != nil {
			return e
		}
		if at.last == "" || c.version >= stateless {
			return failed("the connection to the server ended before the answer")
		}
		for fruitless++; ; fruitless++ {
			if at.last != before {
				fruitless, before = 0, at.last
			}
			if fruitless >= maxFruitless {
				return failed("the connection to the server ended before the answer, and could not be taken up again")
			}
			if err := b.wait(ctx, at.retry, fruitless); err != nil {
				return failed("%v", mcpwire.Reason(ctx, err))
			}
			if resp, _ = b.get(ctx, at.last); resp != nil {
				break
			}
		}
	}
}

// position is where in a stream we are.
type position struct {
	last  string
	retry time.Duration
}

// pass passes on the events of a stream; it says whether the answer to the call was among them.
func (b *bridge) pass(c *call, resp *http.Response, at *position) (bool, *rpcError) {
	var bad *rpcError
	done, err := mcpwire.Events(resp.Body, maxMessage, func(e mcpwire.Event) (done bool, err error) {
		at.last, at.retry = cmp.Or(e.ID, at.last), cmp.Or(e.Retry, at.retry)
		if len(e.Data) == 0 {
			return false, nil
		}
		done, bad = b.deliver(c, e.Data)
		return done || bad != nil, nil
	})
	if errors.Is(err, mcpwire.ErrTooLarge) {
		bad = failed("%v", err)
	}
	return done && bad == nil, bad
}

// get takes up a stream after an event, or with none opens the session's own. Without a stream it returns the status; 0: there was
// no answer.
func (b *bridge) get(ctx context.Context, last string) (*http.Response, int) {
	ctx, p := newPatience(ctx, briefTimeout)
	resp, e := b.send(ctx, http.MethodGet, outgoing{wire: b.state(), last: last})
	if e != nil {
		p.stop()
		return nil, 0
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || media != mediaEvents {
		_ = resp.Body.Close()
		p.stop()
		return nil, resp.StatusCode
	}
	p.timer.Stop()
	resp.Body = stream{resp.Body, p.stop}
	return resp, resp.StatusCode
}

// stream ends its context when it is closed.
type stream struct {
	io.ReadCloser
	stop func()
}

// Close implements io.Closer.
func (s stream) Close() error {
	defer s.stop()
	return s.ReadCloser.Close()
}

// wait spreads out those who come back at the same time, unless the server said when and it is not for nothing.
func (b *bridge) wait(ctx context.Context, asked time.Duration, tries int) error {
	d := b.backoff
	if d == 0 {
		d = firstBackoff
	}
	d = min(d<<min(tries, 10), maxBackoff)
	d = d/2 + rand.N(d/2+1) //nolint:gosec // spreads load; nothing is secret about it
	if asked > 0 {
		d = asked << min(tries, 10)
	}
	d = min(d, maxBackoff)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listen opens the stream on which the server speaks unasked, and keeps it open for as long as the session lasts.
func (b *bridge) listen() {
	b.mu.Lock()
	state := b.wire
	fresh := b.heard != state.round && state.protocol != "" && state.protocol < stateless
	if fresh {
		b.heard = state.round
	}
	b.mu.Unlock()
	if fresh {
		b.streams.Go(func() { b.hear(b.ctx, state.round) })
	}
}

// hear passes on the session's own stream, from one connection to the next, for as long as the handshake of the round holds.
func (b *bridge) hear(ctx context.Context, round int) {
	var at position
	for tries := 0; b.state().round == round; tries++ {
		if tries > 0 && b.wait(ctx, at.retry, tries-1) != nil {
			return
		}
		resp, status := b.get(ctx, at.last)
		if resp == nil {
			if isFinal(status) || ctx.Err() != nil {
				return
			}
			continue
		}
		before := at.last
		_, e := b.pass(nil, resp, &at)
		_ = resp.Body.Close()
		if e != nil {
			b.Note("the server's stream can't be read: %s", e.Message)
			return
		}
		if at.last != before {
			tries = 0
		}
	}
}

// isFinal says that there is no stream to wait for: the server has none (405), or no longer the session (404).
func isFinal(status int) bool {
	return status/100 == 4 && status != http.StatusTooManyRequests && status != http.StatusUnauthorized
}
