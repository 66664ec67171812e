package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	toolsAddress = "127.0.0.1:17423"
	mcpPath      = "/mcp"
	toolCall     = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"nothing","arguments":{}}}`
)

// guarded calls a tool through the gateway of MCP and at the server behind it, turn by turn, over kept connections.
func (b *bench) guarded(ctx context.Context, p *process) error {
	const calls, most = 2000, time.Millisecond // each way
	stop, err := serveTools(ctx)
	if err != nil {
		return err
	}
	defer stop()
	client := &http.Client{Timeout: answerTimeout, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	through, direct := p.origin()+mcpPath, "http://"+toolsAddress+mcpPath
	took := map[string][]time.Duration{}
	for range calls {
		for _, url := range []string{through, direct} {
			began := time.Now()
			if err := callTool(ctx, client, url, b.any(p)); err != nil {
				return err
			}
			took[url] = append(took[url], time.Since(began))
		}
	}
	at := func(url string, percent int) time.Duration { return took[url][calls*percent/100] }
	for _, all := range took {
		slices.Sort(all)
	}
	added := at(through, 50) - at(direct, 50)
	for _, way := range []struct{ name, url string }{{"through the gateway", through}, {"direct", direct}} {
		b.figure("p50 "+way.name, micros(at(way.url, 50)), "", true)
		b.figure("p99 "+way.name, micros(at(way.url, 99)), "", true)
	}
	b.figure("added at p50", micros(added), "at most 1 ms", added <= most)
	b.figure("added at p99", micros(at(through, 99)-at(direct, 99)), "", true)
	return nil
}

func micros(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// serveTools serves an MCP server whose one tool does nothing.
func serveTools(ctx context.Context) (stop func(), err error) {
	s := mcp.NewServer(&mcp.Implementation{Name: "bench", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "nothing"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{}, nil, nil
	})
	at, err := (&net.ListenConfig{}).Listen(ctx, "tcp", toolsAddress)
	if err != nil {
		return nil, err
	}
	web := &http.Server{ReadHeaderTimeout: time.Second, Handler: mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})}
	go func() { _ = web.Serve(at) }() // until it is closed
	return func() { _ = web.Close() }, nil
}

func callTool(ctx context.Context, client *http.Client, url, key string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(toolCall))
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + key, "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-11-25",
	} {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	doc, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err == nil && !bytes.Contains(doc, []byte(`"result"`)) {
		err = fmt.Errorf("%s: %s", res.Status, doc)
	}
	return err
}
