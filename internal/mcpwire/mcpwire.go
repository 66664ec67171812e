// Package mcpwire is what every MCP client of ours reads and writes of Streamable HTTP: event streams, sizes, session ids, and what
// a failed request may be called. It must not know any method of the protocol, nor who asks.
//
// Rules are from the MCP specification 2025-11-25, "Transports".
package mcpwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Names of headers.
const (
	SessionHeader  = "Mcp-Session-Id"
	ProtocolHeader = "Mcp-Protocol-Version"
)

const maxSession = 256 // bytes

// Reasons of failure. None repeats what a server said.
var (
	ErrUnreachable = errors.New("the connection to the server failed")
	ErrTimeout     = errors.New("the server did not answer in time")
	ErrRedirect    = errors.New("the server redirects elsewhere, and the key is not carried along")
	ErrTooLarge    = errors.New("the answer is too large")
	ErrSession     = errors.New("the server's session id is too long or has characters it must not have")
)

// Client returns a copy that keeps no cookies and follows no redirect.
func Client(base http.Client) *http.Client {
	base.Jar = nil
	base.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &base
}

// IsRedirect says that a client would have followed.
func IsRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// SessionID returns the session that the server opened: visible ASCII, by the specification. Empty: it keeps none.
func SessionID(h http.Header) (string, error) {
	id := h.Get(SessionHeader)
	if len(id) > maxSession || strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return "", ErrSession
	}
	return id, nil
}

// Reason turns what net/http or a reader of this package reports into one of the package's reasons. Of the causes only those are
// named that cannot repeat the URL or a secret; a certificate is judged before that is sent.
func Reason(ctx context.Context, err error) error {
	var (
		timeout interface{ Timeout() bool }
		network *net.OpError
		cert    *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(context.Cause(ctx), ErrTimeout):
		return ErrTimeout
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("cancelled: %w", context.Canceled)
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	case errors.Is(err, ErrTooLarge):
		return err
	case errors.As(err, &network):
		return fmt.Errorf("%w: %w", ErrUnreachable, network)
	case errors.As(err, &cert):
		return fmt.Errorf("%w: %w", ErrUnreachable, cert)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%w: it speaks http, not https", ErrUnreachable)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it was closed before the answer ended", ErrUnreachable)
	}
	return ErrUnreachable
}

// Capped is a reader that fails with ErrTooLarge after max bytes, where io.LimitReader would pretend that the body ended.
func Capped(r io.Reader, limit int64) io.Reader { return &cappedReader{r, limit} }

type cappedReader struct {
	r    io.Reader
	left int64
}

// Read reads at most what is left and one byte more, to tell a full body from a too large one.
func (c *cappedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
