package gate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// BenchmarkMCPGateway compares a call of a tool through keyfobd with the same call to the MCP server behind it, turn by turn, over kept
// connections. Bound: 1 ms more at the median.
func BenchmarkMCPGateway(b *testing.B) {
	behind := httptest.NewServer(toolServer())
	b.Cleanup(behind.Close)
	c := connectable{keyfob: newKeyfob(b)}
	c.env = append(c.env, "KEYFOBD_MCP_UPSTREAM="+behind.URL+"/mcp")
	c.background(b, &c, "keyfob", "quickstart", "-o", "json", "--data-dir", b.TempDir())
	calling := func(url string) func() error {
		return func() error { return callTool(b, url, c.Secret) }
	}
	through, direct := calling(c.MCP.URL), calling(behind.URL+"/mcp")
	const calls = 2000 // each way
	var guarded, plain []time.Duration
	for b.Loop() {
		for range calls {
			guarded = append(guarded, timed(func() { fatal(b, through()) }))
			plain = append(plain, timed(func() { fatal(b, direct()) }))
		}
	}
	slices.Sort(guarded)
	slices.Sort(plain)
	b.ReportMetric(0, "ns/op")
	for _, of := range []struct {
		part string
		at   int
	}{{"p50", len(plain) / 2}, {"p99", len(plain) * 99 / 100}} {
		b.ReportMetric(micros(guarded[of.at]), "µs-guarded-"+of.part)
		b.ReportMetric(micros(plain[of.at]), "µs-direct-"+of.part)
		b.ReportMetric(micros(guarded[of.at]-plain[of.at]), "µs-added-"+of.part)
	}
}

// toolServer is an MCP server whose one tool does nothing.
func toolServer() http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "bench", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "you"}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// callTool calls a tool over HTTP.
func callTool(b *testing.B, url, key string) error {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader([]byte(call)))
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + key, "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-11-25",
	} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
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
