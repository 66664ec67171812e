package mcpprobe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/keyfob/keyfob/internal/mcpwire"
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
	return &conn{http: mcpwire.Client(client), url: req.URL, secret: req.Secret, agent: req.Client + "/" + req.Version}
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
		if c.session, err = mcpwire.SessionID(resp.Header); err != nil {
			return protocolError(step, err.Error())
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
		req.Header.Set(mcpwire.ProtocolHeader, c.protocol)
	}
	if c.session != "" {
		req.Header.Set(mcpwire.SessionHeader, c.session)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fail(0, reason(ctx, err))
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		err = ErrUnauthorized
	case mcpwire.IsRedirect(resp.StatusCode):
		err = ErrRedirect
	default:
		return resp, nil
	}
	_ = resp.Body.Close()
	return fail(resp.StatusCode, err)
}

// reason passes on what this package says of an answer.
func reason(ctx context.Context, err error) error {
	if errors.Is(err, ErrProtocol) || errors.Is(err, ErrRefused) {
		return err
	}
	return mcpwire.Reason(ctx, err)
}

// readAnswer reads the answer to the last call from a plain body or an event stream.
func (c *conn) readAnswer(resp *http.Response, result any) error {
	body := mcpwire.Capped(resp.Body, maxBody)
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
		done, err := mcpwire.Events(body, maxBody, func(e mcpwire.Event) (bool, error) {
			if len(e.Data) == 0 {
				return false, nil
			}
			return c.decode(e.Data, result)
		})
		if err == nil && !done {
			err = fmt.Errorf("%w: the stream ended before the answer", ErrProtocol)
		}
		return err
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
