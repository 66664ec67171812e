package mcpproxy

import "encoding/json"

// deliver passes on one message of the server, or each of a batch. It says whether the answer to the call was among them; c is nil for
// a stream that belongs to none.
func (b *bridge) deliver(c *call, doc []byte) (done bool, e *rpcError) {
	many, ok := batch(doc)
	if !ok {
		return false, failed("the server's answer is not JSON-RPC")
	}
	for _, raw := range many {
		m, e := parse(raw)
		switch {
		case e != nil:
			return done, failed("the server's answer is not JSON-RPC")
		case m.kind != response:
			b.write(raw)
		case c != nil && m.id == c.id:
			b.note(c, m)
			b.settle(c, raw)
			done = true
		case c != nil && m.id == "" && !isNull(m.fault): // the server could not tell which request it was
			b.settle(c, failure(c.rawID, m.fault))
			done = true
		default:
			b.late(m)
		}
	}
	return done, nil
}

// late passes on the answer to a request that came on another stream than its own.
func (b *bridge) late(m message) {
	b.mu.Lock()
	c := b.pending[m.id]
	b.mu.Unlock()
	if c == nil {
		return // it was cancelled, or answered already
	}
	b.note(c, m)
	b.settle(c, m.raw)
	c.cancel()
}

// note keeps what the transport has to know of an answer.
func (b *bridge) note(c *call, m message) {
	switch {
	case c.method == methodListTools && c.version >= stateless:
		b.learn(m.result)
	case c.method == methodInitialize:
		var result struct {
			Protocol string `json:"protocolVersion"`
		}
		if json.Unmarshal(m.result, &result) == nil && isVersion(result.Protocol) {
			b.mu.Lock()
			b.wire.protocol = result.Protocol
			b.mu.Unlock()
		}
	}
}
