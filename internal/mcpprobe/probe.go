// Package mcpprobe proves that an MCP server lets a key in: it does a client's handshake over Streamable HTTP and lists the
// tools.
//
// It is written by hand since the official SDK would triple the start-up of the CLI, and reads as little as it needs of the
// protocol. The server is not trusted: answers are bounded in size and time, redirects are refused, and no error repeats what
// the server said. The package must not know AI clients, contexts or the API of the service.
//
// Rules are from the MCP specification 2025-11-25, "Lifecycle" and "Transports".
package mcpprobe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/mcpwire"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	newestProtocol = "2025-11-25"
	defaultTimeout = 10 * time.Second
	endTimeout     = time.Second // for saying goodbye, when all is known already
	maxBody        = 4 << 20     // bytes of one answer, decompressed
	maxPages       = 64
	maxTools       = 4096
	maxText        = 256 // bytes of a name, a version or a session id
)

// Request says what to probe.
type Request struct {
	URL    string        // of the endpoint; absolute, http or https, without userinfo, fragment and api_key
	Secret secret.Secret // sent as a bearer token, never in the URL
	HTTP   *http.Client  // nil: a plain one. Its cookies and its rule for redirects are not used.
	// Client and Version are how the probe introduces itself.
	Client, Version string
}

// Result is what a server said of itself. The texts are as the server sent them: make them printable before showing them.
type Result struct {
	ServerName      string
	ServerVersion   string
	ProtocolVersion string
	Tools           []string // names, in the server's order
}

// Step is a part of the handshake.
type Step string

// The steps, named after the methods they call.
const (
	StepRequest     Step = "request" // checking the Request itself
	StepInitialize  Step = "initialize"
	StepInitialized Step = "notifications/initialized"
	StepListTools   Step = "tools/list"
)

// Reasons of failure. An Error wraps one of them.
var (
	ErrRequest      = errors.New("cannot probe")
	ErrUnreachable  = mcpwire.ErrUnreachable
	ErrTimeout      = mcpwire.ErrTimeout
	ErrUnauthorized = errors.New("the server refused the key")
	ErrRedirect     = mcpwire.ErrRedirect
	ErrStatus       = errors.New("the server answered with an unexpected status")
	ErrTooLarge     = mcpwire.ErrTooLarge
	ErrProtocol     = errors.New("the answer is not MCP")
	ErrRefused      = errors.New("the server refused the call")
)

// Error is the failure of a probe. It holds neither the secret nor the URL, nor text from the server.
type Error struct {
	Step   Step
	Status int // HTTP status, 0 when there was no answer
	Err    error
}

// Error names the step, the status and the reason.
func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("mcp %s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("mcp %s: %v (HTTP %d)", e.Step, e.Err, e.Status)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Probe does the handshake. It takes 10 s at most, or until the deadline of ctx if that has one. Every error is an *Error;
// when ctx was cancelled it wraps context.Canceled.
func Probe(ctx context.Context, req Request) (Result, error) {
	if err := req.check(); err != nil {
		return Result{}, &Error{Step: StepRequest, Err: err}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultTimeout)
		defer cancel()
	}
	c := newConn(req)
	defer c.end(ctx)

	res, err := c.initialize(ctx, req)
	if err != nil {
		return Result{}, err
	}
	if err := c.notify(ctx, StepInitialized); err != nil {
		return Result{}, err
	}
	if res.Tools, err = c.listTools(ctx); err != nil {
		return Result{}, err
	}
	return res, nil
}

func (r Request) check() error {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil: // which repeats the URL
		return fmt.Errorf("%w: the url cannot be parsed", ErrRequest)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%w: the url must begin with https:// or http:// and a host", ErrRequest)
	case u.User != nil || u.Fragment != "" || u.Query().Has("api_key"):
		return fmt.Errorf("%w: the url holds a user, a fragment or an api_key, leave them out", ErrRequest)
	case r.Secret.IsZero():
		return fmt.Errorf("%w: there is no secret", ErrRequest)
	}
	return nil
}

type initializeParams struct {
	ProtocolVersion string   `json:"protocolVersion"`
	Capabilities    struct{} `json:"capabilities"`
	ClientInfo      info     `json:"clientInfo"`
}

type info struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type initializeResult struct {
	ProtocolVersion string `json:"protocolVersion"`
	ServerInfo      info   `json:"serverInfo"`
}

func (c *conn) initialize(ctx context.Context, req Request) (Result, error) {
	params := initializeParams{ProtocolVersion: newestProtocol, ClientInfo: info{req.Client, req.Version}}
	var got initializeResult
	if err := c.call(ctx, StepInitialize, params, &got); err != nil {
		return Result{}, err
	}
	// Streamable HTTP is as old as 2025-03-26; a server may choose any revision that we speak as well.
	if !slices.Contains([]string{newestProtocol, "2025-06-18", "2025-03-26"}, got.ProtocolVersion) {
		return Result{}, protocolError(StepInitialize, "it chose a protocol revision that this program does not speak")
	}
	if got.ServerInfo.Name == "" || len(got.ServerInfo.Name) > maxText || len(got.ServerInfo.Version) > maxText {
		return Result{}, protocolError(StepInitialize, "the server's name or version is missing or too long")
	}
	c.protocol = got.ProtocolVersion
	return Result{ServerName: got.ServerInfo.Name, ServerVersion: got.ServerInfo.Version, ProtocolVersion: got.ProtocolVersion}, nil
}

type listToolsParams struct {
	Cursor string `json:"cursor,omitempty"`
}

type listToolsResult struct {
	Tools []struct {
		Name string `json:"name"`
	} `json:"tools"`
	NextCursor string `json:"nextCursor"`
}

func (c *conn) listTools(ctx context.Context) ([]string, error) {
	names, cursor := []string{}, ""
	for range maxPages {
		var page listToolsResult
		if err := c.call(ctx, StepListTools, listToolsParams{cursor}, &page); err != nil {
			return nil, err
		}
		if page.Tools == nil {
			return nil, protocolError(StepListTools, "there is no list of tools in it")
		}
		for _, tool := range page.Tools {
			if tool.Name == "" || len(tool.Name) > maxText {
				return nil, protocolError(StepListTools, "the name of a tool is missing or too long")
			}
			names = append(names, tool.Name)
		}
		switch {
		case len(names) > maxTools:
			return nil, protocolError(StepListTools, "there are too many tools")
		case page.NextCursor == "":
			return names, nil
		case page.NextCursor == cursor:
			return nil, protocolError(StepListTools, "its pages never end")
		}
		cursor = page.NextCursor
	}
	return nil, protocolError(StepListTools, "its pages never end")
}

func protocolError(step Step, why string) error {
	return &Error{Step: step, Status: http.StatusOK, Err: fmt.Errorf("%w: %s", ErrProtocol, why)}
}
