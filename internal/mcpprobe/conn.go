package mcpprobe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/pkg/secret"
)

// conn is one connection in the sense of MCP: the calls of one handshake.
type conn struct {
	http     *http.Client
	url      string
	secret   secret.Secret
	agent    string
	lastID   int64
	protocol string // what the handshake settled on; empty before
	session  string // empty: the server keeps none
}

func newConn(req Request) *conn {
	client := http.Client{}
	if req.HTTP != nil {
		client = *req.HTTP
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &conn{http: &client, url: req.URL, secret: req.Secret, agent: req.Client + "/" + req.Version}
}

// rpcCall is a JSON-RPC 2.0 request, or a notification if there is no ID.
type rpcCall struct {
	Version string `json:"jsonrpc"`
	ID      int64  `json:"id,omitempty"`
	Method  Step   `json:"method"`
	Params  any    `json:"params,omitempty"`
}

// call sends a request and decodes the result of its answer.
func (c *conn) call(ctx context.Context, step Step, params, result any) error {
	c.lastID++
	resp, err := c.send(ctx, step, http.MethodPost, rpcCall{Version: "2.0", ID: c.lastID, Method: step, Params: params})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return &Error{Step: step, Status: resp.StatusCode, Err: ErrStatus}
	}
	if step == StepInitialize {
		if c.session, err = sessionID(resp.Header); err != nil {
			return err
		}
	}
	if err := c.readAnswer(resp, result); err != nil {
		return &Error{Step: step, Status: resp.StatusCode, Err: reason(ctx, err)}
	}
	return nil
}

// notify sends a notification, which has no answer but its status.
func (c *conn) notify(ctx context.Context, step Step) error {
	resp, err := c.send(ctx, step, http.MethodPost, rpcCall{Version: "2.0", Method: step})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return &Error{Step: step, Status: resp.StatusCode, Err: ErrStatus}
	}
	return nil
}

// end closes the session, if there is one, so that the server need not keep it until it times out. A server may refuse that.
func (c *conn) end(ctx context.Context) {
	if c.session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if resp, err := c.send(ctx, "end", http.MethodDelete, nil); err == nil {
		_ = resp.Body.Close()
	}
}

// send returns the response of any status but 401 and redirects.
func (c *conn) send(ctx context.Context, step Step, method string, body any) (*http.Response, error) {
	fail := func(status int, err error) (*http.Response, error) {
		return nil, &Error{Step: step, Status: status, Err: err}
	}
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fail(0, fmt.Errorf("%w: %w", ErrRequest, err))
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url, payload)
	if err != nil { // which repeats the URL
		return fail(0, ErrRequest)
	}
	req.Header.Set("Authorization", "Bearer "+c.secret.Reveal())
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json, text/event-stream")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.protocol != "" {
		req.Header.Set("MCP-Protocol-Version", c.protocol)
	}
	if c.session != "" {
		req.Header.Set("Mcp-Session-Id", c.session)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fail(0, reason(ctx, err))
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		err = ErrUnauthorized
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		err = ErrRedirect
	default:
		return resp, nil
	}
	_ = resp.Body.Close()
	return fail(resp.StatusCode, err)
}

// reason turns what net/http or a reader of ours reports into one of the package's reasons. Of the causes only those are
// named that cannot repeat the URL or the secret; a certificate is judged before that is sent.
func reason(ctx context.Context, err error) error {
	var (
		timeout interface{ Timeout() bool }
		network *net.OpError
		cert    *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("cancelled: %w", context.Canceled)
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	case errors.Is(err, ErrProtocol), errors.Is(err, ErrTooLarge), errors.Is(err, ErrRefused):
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

// sessionID returns the session that the server opened: visible ASCII, by the specification.
func sessionID(h http.Header) (string, error) {
	id := h.Get("Mcp-Session-Id")
	if len(id) > maxText || strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return "", protocolError(StepInitialize, "its session id is too long or has characters it must not have")
	}
	return id, nil
}

// readAnswer reads the answer to the last call from a plain body or an event stream.
func (c *conn) readAnswer(resp *http.Response, result any) error {
	body := &cappedReader{r: resp.Body, left: maxBody}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		raw, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if done, err := c.decode(raw, result); err != nil || done {
			return err
		}
		return fmt.Errorf("%w: there is no answer in it", ErrProtocol)
	case err == nil && kind == "text/event-stream":
		return readEvents(body, func(data []byte) (bool, error) { return c.decode(data, result) })
	}
	return fmt.Errorf("%w: it is neither application/json nor text/event-stream", ErrProtocol)
}

type rpcMessage struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  *string         `json:"method"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code int64 `json:"code"`
	} `json:"error"`
}

// decode reads one message. It says false for what the server may send before its answer: notifications and requests of
// its own.
func (c *conn) decode(raw []byte, result any) (bool, error) {
	var m rpcMessage
	if err := json.Unmarshal(raw, &m); err != nil || m.Version != "2.0" {
		return false, fmt.Errorf("%w: it is no JSON-RPC 2.0 message", ErrProtocol)
	}
	switch {
	case m.Method != nil:
		return false, nil
	case string(m.ID) != strconv.FormatInt(c.lastID, 10):
		return false, fmt.Errorf("%w: it answers another request", ErrProtocol)
	case m.Error != nil: // its message may hold anything, the key as well
		return false, fmt.Errorf("%w: JSON-RPC error %d", ErrRefused, m.Error.Code)
	case len(m.Result) == 0 || m.Result[0] != '{':
		return false, fmt.Errorf("%w: there is no result in it", ErrProtocol)
	}
	if err := json.Unmarshal(m.Result, result); err != nil { // which may quote the result
		return false, fmt.Errorf("%w: its result does not have the right form", ErrProtocol)
	}
	return true, nil
}
