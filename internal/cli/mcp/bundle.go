package mcp

import (
	"bytes"
	"context"
	"strings"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpb"
)

// bundleRun writes an extension for Claude Desktop that runs the proxy. There is no key in it.
func bundleRun(ctx context.Context, opts *ConnectOptions, at site) error {
	if len(opts.Clients) != 1 || opts.Clients[0].ID != bundleClient {
		e := cliutil.UsageError("only Claude Desktop takes a bundle")
		e.Hint = "use --client " + bundleClient + " --bundle FILE.mcpb"
		return e
	}
	if !strings.HasSuffix(opts.Bundle, ".mcpb") {
		return cliutil.UsageError("a bundle's name ends in .mcpb, not %q", cliutil.Printable(opts.Bundle))
	}
	keys, err := takeKeys(ctx, opts, at)
	if err != nil {
		return err
	}
	_, proxy, err := opts.Ways(at.session, keys.of(0).Key.ID)
	if err == nil && len(proxy) == 0 {
		err = &cliutil.Error{
			Code: "client-cannot", Exit: cliutil.ExitUsage, Message: "the bundle would run keyfob (proxy), which can't get at this session by itself",
			Hint: "sign in with `keyfob auth login`, which keeps the session in the keyring",
		}
	}
	if err == nil {
		err = writeBundle(ctx, opts, at, keys.of(0), proxy)
	}
	if err != nil {
		return keys.withdraw(ctx, opts, at, err)
	}
	keys.tell(opts.Out)
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"key": keys.of(0).Key, "mcp": at.server, "bundle": opts.Bundle})
	}
	opts.Out.Note("Open the file with Claude Desktop, on this machine: it runs %s, and there is no key in it.", cliutil.Printable(proxy[0]))
	return opts.Out.Line("%s", opts.Bundle)
}

const bundleClient = "claude-desktop"

func writeBundle(ctx context.Context, opts *ConnectOptions, at site, key Key, proxy []string) error {
	var archive bytes.Buffer
	err := mcpb.Write(&archive, mcpb.Bundle{
		Name: at.server.Name, DisplayName: at.server.Name, Version: build.Version(), OS: opts.GOOS, Command: proxy[0], Args: proxy[1:],
		Description: "The MCP server of the organisation " + at.org + " at " + at.server.URL,
	})
	if err != nil {
		return err
	}
	if err := opts.Keep(ctx, at.session, key); err != nil {
		return err
	}
	return cliutil.NewPrivateFile(opts.Bundle, func() (string, error) { return archive.String(), nil })
}
