package clients_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// keyed adds a key to what a client sends.
type keyed struct{ secret string }

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+k.secret)
	return http.DefaultTransport.RoundTrip(r)
}

// TestTheSDKThroughTheGateway has the official SDK's client call tools of a real MCP server that keyfobd guards, over HTTP and through
// `keyfob mcp proxy`. Progress comes as it is made, and a call that is cancelled ends at the server.
func TestTheSDKThroughTheGateway(t *testing.T) { //nolint:tparallel // calls of both come out of one channel
	t.Parallel()
	newEngine(t, "mcp-server-everything") // skip before anything is built
	g := startGuarded(t)
	e := engine{home: g.home, path: []string{filepath.Dir(g.keyfob), "/usr/bin", "/bin"}}
	e.run(t, "keyfob", "mcp", "connect", "--client", "gemini-cli", "--apply")
	var proof struct {
		Results []struct{ OK bool }
	}
	e.decode(t, &proof, "keyfob", "mcp", "test", "--client", "gemini-cli", "--no-engine")
	if len(proof.Results) != 1 || !proof.Results[0].OK {
		t.Errorf("mcp test says %+v", proof)
	}
	for _, way := range []struct {
		name      string
		transport mcp.Transport
	}{
		{"http", &mcp.StreamableClientTransport{Endpoint: g.MCP.URL, HTTPClient: &http.Client{Transport: keyed{g.Secret}}}},
		{"mcp proxy", &mcp.CommandTransport{Command: e.command(context.WithoutCancel(t.Context()), "keyfob", "mcp", "proxy", "--key", g.Key.ID)}},
	} {
		t.Run(way.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			progress := make(chan float64, 64)
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress <- r.Params.Progress },
			})
			session, err := client.Connect(ctx, way.transport, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			said, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "how far is it"}})
			if err != nil || len(said.Content) != 1 || said.Content[0].(*mcp.TextContent).Text != "Echo: how far is it" {
				t.Fatalf("%+v, %v", said, err)
			}
			next(ctx, t, g.calls)

			long := func(ctx context.Context, seconds, steps int) <-chan error {
				ended := make(chan error, 1)
				p := &mcp.CallToolParams{Name: "trigger-long-running-operation", Arguments: map[string]any{"duration": seconds, "steps": steps}}
				p.Meta = mcp.Meta{"progressToken": "long"}
				go func() {
					_, err := session.CallTool(ctx, p)
					ended <- err
				}()
				return ended
			}
			ended := long(ctx, 1, 4)
			for n := range 4 {
				if got := next(ctx, t, progress); got != float64(n+1) {
					t.Errorf("progress %v, want %d", got, n+1)
				}
			}
			if err := next(ctx, t, ended); err != nil {
				t.Error(err)
			}
			next(ctx, t, g.calls)

			some, stop := context.WithCancel(ctx)
			defer stop()
			ended = long(some, 500, 1000)
			call := next(ctx, t, g.calls)
			for n := range 2 { // long before there is a result
				if got := next(ctx, t, progress); got != float64(n+1) {
					t.Errorf("progress %v, want %d", got, n+1)
				}
			}
			stop()
			if err := next(ctx, t, ended); !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled call gave %v", err)
			}
			next(ctx, t, g.stops)
			next(ctx, t, call.left)
		})
	}
}
