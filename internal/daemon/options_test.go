package daemon

import (
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(*ServeOptions)
		want string // part of the message or the hint; empty: it is fine
	}{
		"defaults":          {func(*ServeOptions) {}, ""},
		"localhost":         {func(o *ServeOptions) { o.Listen = "localhost:0" }, ""},
		"IPv6 loopback":     {func(o *ServeOptions) { o.Listen = "[::1]:0" }, ""},
		"no port":           {func(o *ServeOptions) { o.Listen = "127.0.0.1" }, "host:port"},
		"named port":        {func(o *ServeOptions) { o.Listen = "127.0.0.1:http" }, "0 to 65535"},
		"port too large":    {func(o *ServeOptions) { o.Listen = "127.0.0.1:65536" }, "0 to 65535"},
		"control character": {func(o *ServeOptions) { o.Listen = "\x1b[2J" }, `\u001b[2J`},
		"all addresses":     {func(o *ServeOptions) { o.Listen = ":7420" }, "--insecure-http"},
		"an address":        {func(o *ServeOptions) { o.Listen = "192.0.2.1:7420" }, "proxy that terminates TLS"},
		"a name":            {func(o *ServeOptions) { o.Listen = "keys.example.com:7420" }, "--insecure-http"},
		"no public URL":     {func(o *ServeOptions) { o.Listen, o.InsecureHTTP = ":7420", true }, "--public-url"},
		"insecure": {func(o *ServeOptions) {
			o.Listen, o.InsecureHTTP, o.PublicURL = ":7420", true, "https://keys.example.com"
		}, ""},
		"public http":         {func(o *ServeOptions) { o.PublicURL = "http://keys.example.com" }, "--public-url"},
		"public loopback":     {func(o *ServeOptions) { o.PublicURL = "http://127.0.0.1:8080" }, ""},
		"public user":         {func(o *ServeOptions) { o.PublicURL = "https://u:hunter2@keys.example.com" }, "--public-url"},
		"public query":        {func(o *ServeOptions) { o.PublicURL = "https://keys.example.com/?a=b" }, "--public-url"},
		"public fragment":     {func(o *ServeOptions) { o.PublicURL = "https://keys.example.com/#a" }, "--public-url"},
		"public path":         {func(o *ServeOptions) { o.PublicURL = "https://keys.example.com/keyfob" }, "--public-url"},
		"public scheme":       {func(o *ServeOptions) { o.PublicURL = "ftp://keys.example.com" }, "--public-url"},
		"public nonsense":     {func(o *ServeOptions) { o.PublicURL = "::" }, "--public-url"},
		"upstream":            {func(o *ServeOptions) { o.MCPUpstream = "http://127.0.0.1:9000/mcp" }, ""},
		"upstream https":      {func(o *ServeOptions) { o.MCPUpstream = "https://mcp.example.com/mcp" }, ""},
		"upstream http":       {func(o *ServeOptions) { o.MCPUpstream = "http://mcp.example.com/mcp" }, "--insecure-http"},
		"upstream user":       {func(o *ServeOptions) { o.MCPUpstream = "https://u:hunter2@mcp.example.com/mcp" }, "--mcp-upstream"},
		"upstream query":      {func(o *ServeOptions) { o.MCPUpstream = "https://mcp.example.com/mcp?key=hunter2" }, "--mcp-upstream"},
		"upstream scheme":     {func(o *ServeOptions) { o.MCPUpstream = "file:///mcp" }, "--mcp-upstream"},
		"MCP name":            {func(o *ServeOptions) { o.MCPName = "acme-keys_2" }, ""},
		"MCP name empty":      {func(o *ServeOptions) { o.MCPName = "" }, "--mcp-name"},
		"MCP name upper case": {func(o *ServeOptions) { o.MCPName = "Acme" }, "--mcp-name"},
		"MCP name dash first": {func(o *ServeOptions) { o.MCPName = "-a" }, "--mcp-name"},
		"MCP name newline":    {func(o *ServeOptions) { o.MCPName = "a\n" }, "--mcp-name"},
		"MCP name too long":   {func(o *ServeOptions) { o.MCPName = strings.Repeat("a", 64) }, "--mcp-name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := serveOptions(t.TempDir())
			tt.edit(opts)
			_, err := opts.check()
			if err == nil {
				_, err = opts.upstream()
			}
			if tt.want == "" {
				noError(t, err)
				return
			}
			failed := failure(t, err, "usage", cliutil.ExitUsage)
			if !strings.Contains(failed.Message+failed.Hint, tt.want) || strings.Contains(failed.Message, "hunter2") {
				t.Errorf("%q, %q", failed.Message, failed.Hint)
			}
		})
	}
}
