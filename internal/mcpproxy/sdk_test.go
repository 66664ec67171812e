package mcpproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// official is a server of the official SDK with tools that use every direction.
type official struct {
	*mcp.Server
	hung chan struct{} // a call has begun that ends only when it is cancelled
	gone chan struct{} // it was cancelled
}

type nothing struct{}

func newOfficial() *official {
	o := &official{
		Server: mcp.NewServer(&mcp.Implementation{Name: "official", Version: "1"}, nil),
		hung:   make(chan struct{}, 1),
		gone:   make(chan struct{}, 1),
	}
	tool := func(name string, run func(context.Context, *mcp.CallToolRequest) (string, error)) {
		mcp.AddTool(o.Server, &mcp.Tool{Name: name}, func(ctx context.Context, req *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
			text, err := run(ctx, req)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, err
		})
	}
	tool("hello", func(context.Context, *mcp.CallToolRequest) (string, error) { return "héllo\u2028<&>", nil })
	tool("sample", func(ctx context.Context, req *mcp.CallToolRequest) (string, error) {
		got, err := req.Session.CreateMessage(ctx, &mcp.CreateMessageParams{MaxTokens: 5}) //nolint:staticcheck // deprecated, and spoken for another year
		if err != nil {
			return "", err
		}
		return got.Model, nil
	})
	tool("elicit", func(ctx context.Context, req *mcp.CallToolRequest) (string, error) {
		got, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: "sure?"})
		if err != nil {
			return "", err
		}
		return got.Action, nil
	})
	tool("roots", func(ctx context.Context, req *mcp.CallToolRequest) (string, error) {
		got, err := req.Session.ListRoots(ctx, nil) //nolint:staticcheck // deprecated, and spoken for another year
		if err != nil {
			return "", err
		}
		return got.Roots[0].URI, nil
	})
	tool("progress", func(ctx context.Context, req *mcp.CallToolRequest) (string, error) {
		for i := range 3 {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: float64(i)})
			if err != nil {
				return "", err
			}
		}
		return "done", nil
	})
	tool("cut", func(ctx context.Context, req *mcp.CallToolRequest) (string, error) {
		for range 3 { // the client has to come back for each
			req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: time.Millisecond})
			if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "error", Data: "x"}); err != nil { //nolint:staticcheck // deprecated, and spoken for another year
				return "", err
			}
		}
		return "resumed", nil
	})
	tool("hang", func(ctx context.Context, _ *mcp.CallToolRequest) (string, error) {
		o.hung <- struct{}{}
		<-ctx.Done()
		o.gone <- struct{}{}
		return "", ctx.Err()
	})
	return o
}

func (o *official) handler(opts mcp.StreamableHTTPOptions) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return o.Server }, &opts)
}

func callTool(t *testing.T, s *mcp.ClientSession, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	params := &mcp.CallToolParams{Name: name}
	params.SetProgressToken("p-" + name)
	got, err := s.CallTool(ctx, params)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return ""
	}
	return got.Content[0].(*mcp.TextContent).Text
}

// heard is what the client was told.
type heard struct {
	progress chan float64
	changed  chan struct{}
}

func newHeard() *heard { return &heard{make(chan float64, 8), make(chan struct{}, 1)} }

func (h *heard) options() *mcp.ClientOptions {
	return &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) { //nolint:staticcheck // deprecated, and spoken for another year
			return &mcp.CreateMessageResult{Model: "opus", Role: "assistant", Content: &mcp.TextContent{Text: "x"}}, nil //nolint:staticcheck // deprecated, and spoken for another year
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "decline"}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			h.progress <- r.Params.Progress
		},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) {
			select {
			case h.changed <- struct{}{}:
			default:
			}
		},
	}
}

// TestSessions drives a server that keeps sessions, with streams that can be taken up again and without.
func TestSessions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]mcp.StreamableHTTPOptions{
		"event store":    {EventStore: mcp.NewMemoryEventStore(nil)},
		"no event store": {},
	} {
		for _, version := range []string{"", "2025-11-25", "2025-06-18", "2025-03-26"} {
			t.Run(strings.TrimSpace(name+" "+version), func(t *testing.T) {
				t.Parallel()
				o, h := newOfficial(), newHeard()
				g := serve(t, o.handler(opts))
				s, _ := g.connect(t, h.options(), version)
				if s.InitializeResult().ServerInfo.Name != "official" {
					t.Errorf("met %+v", s.InitializeResult())
				}
				for tool, want := range map[string]string{
					"hello": "héllo\u2028<&>", "sample": "opus", "elicit": "decline", "roots": "file:///home/ada", "progress": "done",
				} {
					if got := callTool(t, s, tool); got != want {
						t.Errorf("%s: %q", tool, got)
					}
				}
				for want := range 3 { // the SDK does not wait for its handlers
					select {
					case got := <-h.progress:
						if got != float64(want) {
							t.Errorf("progress %v, want %d", got, want)
						}
					case <-time.After(patient):
						t.Errorf("progress %d did not come", want)
					}
				}
				if opts.EventStore != nil && version != "2025-06-18" && version != "2025-03-26" {
					if got := callTool(t, s, "cut"); got != "resumed" {
						t.Errorf("cut: %q", got)
					}
				}
				cancelled(t, s, o)
				unasked(t, s, o, h)
			})
		}
	}
}

// cancelled holds that a call which the client gives up ends at the server.
func cancelled(t *testing.T, s *mcp.ClientSession, o *official) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	go func() {
		select {
		case <-o.hung:
			cancel()
		case <-ctx.Done():
		}
	}()
	if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "hang"}); err == nil {
		t.Error("hang: no error")
	}
	select {
	case <-o.gone:
	case <-time.After(patient):
		t.Error("the server did not hear that the call was cancelled")
	}
}

// unasked holds that what the server says on the session's own stream arrives. That stream opens some time after the handshake.
func unasked(t *testing.T, s *mcp.ClientSession, o *official, h *heard) {
	t.Helper()
	late := time.After(patient)
	for i := 0; ; i++ {
		mcp.AddTool(o.Server, &mcp.Tool{Name: fmt.Sprint("new", i)}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{}, nil, nil
		})
		again := time.NewTimer(200 * time.Millisecond)
		select {
		case <-h.changed:
			again.Stop()
			return
		case <-again.C:
		case <-late:
			t.Error("the notification did not come")
			return
		}
		if s.Ping(t.Context(), nil) != nil {
			t.Error("no ping")
			return
		}
	}
}

// TestStateless drives the revision without sessions, where headers name method, tool and arguments.
func TestStateless(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{true, false} {
		t.Run(fmt.Sprint("json ", plain), func(t *testing.T) {
			t.Parallel()
			o := newOfficial()
			o.AddTool(&mcp.Tool{Name: "routed", InputSchema: json.RawMessage(
				`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}`,
			)}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "routed"}}}, nil
			})
			h := newHeard()
			g := serve(t, o.handler(mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: plain, PropagateRequestCancellation: true}))
			s, _ := g.connect(t, h.options(), "")
			if got := s.InitializeResult().ProtocolVersion; got != "2026-07-28" {
				t.Errorf("negotiated %s", got)
			}
			if _, err := s.ListTools(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if got := callTool(t, s, "hello"); got != "héllo\u2028<&>" {
				t.Errorf("hello: %q", got)
			}
			for _, args := range []string{`{}`, `{"region":"é "}`, `{"region":"eu","deep":{"n":7}}`, `{"region":null,"deep":{}}`, `{"region":"=?base64?eA==?="}`} {
				if got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "routed", Arguments: json.RawMessage(args)}); err != nil || got.IsError {
					t.Errorf("%s: %+v, %v", args, got, err)
				}
			}
			cancelled(t, s, o)
			if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "no such tool"}); err == nil || !strings.Contains(err.Error(), "no such tool") {
				t.Errorf("the server's own error is lost: %v", err)
			}
		})
	}
}

// TestRotation holds that a secret which was replaced under a running connection is fetched once, whoever notices.
func TestRotation(t *testing.T) {
	t.Parallel()
	g := serve(t, newOfficial().handler(mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}))
	s, _ := g.connect(t, nil, "")
	callTool(t, s, "hello")
	g.rotate()
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() { callTool(t, s, "hello") })
	}
	calls.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fetched != 2 {
		t.Errorf("the secret was fetched %d times, want 2", g.fetched)
	}
}

// TestServerStartedAnew holds that a client goes on after the server has lost its session.
func TestServerStartedAnew(t *testing.T) {
	t.Parallel()
	first := newOfficial()
	g := serve(t, first.handler(mcp.StreamableHTTPOptions{}))
	s, _ := g.connect(t, nil, "2025-11-25")
	callTool(t, s, "hello")
	g.mu.Lock()
	g.next = newOfficial().handler(mcp.StreamableHTTPOptions{})
	g.mu.Unlock()
	for lost := range first.Sessions() {
		_ = lost.Close()
	}
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			if got := callTool(t, s, "hello"); got != "héllo\u2028<&>" {
				t.Errorf("hello: %q", got)
			}
		})
	}
	calls.Wait()
}
