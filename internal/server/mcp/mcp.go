// Package mcp is the hosted MCP server: read-only tools by which an agent that holds a key learns about that key and
// its organisation. It answers the protocol revisions that the SDK knows, from 2026-07-28 back, without sessions.
//
// Who calls travels in the request's context; the package must not know credentials, Host and Origin checks, or any
// other route.
package mcp

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keyfob/keyfob/internal/core"
)

const (
	// maxBody is the most that a message may weigh, in bytes.
	maxBody = 1 << 20
	// toolTimeout bounds one call of a tool. The SDK takes a call out of its request's context, deadline and all.
	toolTimeout = 15 * time.Second
	// listTTL is for how long a client may keep the list of tools, in milliseconds: it changes with the version only.
	listTTL = 5 * 60 * 1000
)

const instructions = "Keyfob manages this organisation's API keys. These tools only read: who you are (whoami), which keys exist " +
	"(list_keys) and how a key was used (key_activity). No tool ever returns a secret; keys are made and changed with the keyfob CLI."

// Config is what the server depends on. Every member is needed.
type Config struct {
	Core    *core.Service
	Name    string // as clients are told to name this server
	Version string
}

// New returns the handler of the MCP endpoint. Every request it gets must have a caller (WithCaller).
func New(cfg Config) http.Handler {
	server := mcp.NewServer(
		&mcp.Implementation{Name: cfg.Name, Title: "Keyfob", Version: cfg.Version},
		&mcp.ServerOptions{
			Instructions: instructions,
			// The tools never change while the server runs: no list-changed notices, hence no open streams.
			Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
			SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) {
				c.TTLMs, c.CacheScope = listTTL, "private"
			},
		})
	addTools(server, cfg.Core)
	// One server for all requests: building one costs a millisecond and a half.
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless:                    true, // the only mode that serves 2026-07-28
		JSONResponse:                 true, // every answer is one message, so nothing needs a stream
		MaxRequestBodyBytes:          maxBody,
		DisableLocalhostProtection:   true, // Host and Origin are checked before a request comes here
		PropagateRequestCancellation: true,
	})
}

// call is what a tool knows of the request it works for.
type call struct {
	caller core.Caller
	log    *slog.Logger
}

type callKey struct{}

// WithCaller returns a context that says who calls, and which log the failures of that call go to.
func WithCaller(ctx context.Context, caller core.Caller, log *slog.Logger) context.Context {
	return context.WithValue(ctx, callKey{}, call{caller, log})
}
