package mcpgateway

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

const sessionHeader = "Mcp-Session-Id"

// A session is of the key that began it: whoever learns its id from a log must not go on with it, or end it, by a key of their own.
// MCP servers can't tell keys apart, and so what a client gets for an id is the id, a dot and a tag that is made for the key as well.

// bind returns what the client gets for a session's id of the MCP server.
func (c Caller) bind(id string) (string, error) {
	tag, err := c.Tag(id)
	if err != nil {
		return "", fmt.Errorf("tag a session: %w", err)
	}
	return id + "." + base64.RawURLEncoding.EncodeToString(tag), nil
}

// session returns the MCP server's id of the session that a request is of, empty if it is of none. ok is false if that is not one of
// the caller's.
func (c Caller) session(h http.Header) (id string, ok bool) {
	values := h[sessionHeader]
	if len(values) == 0 {
		return "", true
	}
	dot := strings.LastIndexByte(values[0], '.')
	if len(values) > 1 || dot < 1 {
		return "", false
	}
	id = values[0][:dot]
	tag, err := base64.RawURLEncoding.Strict().DecodeString(values[0][dot+1:])
	return id, err == nil && c.Tagged(id, tag)
}

// bindAnswer gives the client a session of its own. One that it named stays as it named it, whichever tag would be made now.
func bindAnswer(res *http.Response) error {
	id, req := res.Header.Get(sessionHeader), of(res.Request.Context())
	if id == "" {
		return nil
	}
	bound := req.presented
	if id != req.session {
		var err error
		if bound, err = req.caller.bind(id); err != nil {
			return err
		}
	}
	res.Header.Set(sessionHeader, bound)
	return nil
}
