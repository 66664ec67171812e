package mcp

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpproxy"
	"github.com/keyfob/keyfob/pkg/secret"
)

// ProxyOptions is all that proxyRun needs.
type ProxyOptions struct {
	// Access finds the server and the key's current secret.
	Access func(ctx context.Context, refused secret.Secret) (mcpproxy.Access, error)
	Out    *cliutil.Output
}

// NewCmdProxy returns "keyfob mcp proxy". runF replaces proxyRun in tests.
func NewCmdProxy(f *cliutil.Factory, runF func(context.Context, *ProxyOptions) error) *cobra.Command {
	opts := &ProxyOptions{}
	var key, dir, address string
	cmd := &cobra.Command{
		Use:   "proxy --key KEY",
		Short: "Connect a client that speaks MCP over stdio only",
		Long: `Carry MCP between stdin and stdout and the hosted MCP server, for clients that only run local servers, such as Claude Desktop.

The key's secret is found as by ` + "`keyfob mcp headers`" + `, at first and whenever the server refuses it: the connection survives a
rotation. While the service can't be reached, each request is answered with an error and the connection stays. It ends, with
exit code 0, when stdin ends.`,
		Example: `$ keyfob mcp proxy --key key_01jd8xq3v5c7n9p1r3t5w7y9za
$ keyfob mcp proxy --key ci --context work --org acme
$ echo '{"jsonrpc":"2.0","id":1,"method":"ping"}' | keyfob mcp proxy --key ci`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			access, err := newKeyAccess(f, key, dir)
			if err != nil {
				return err
			}
			opts.Access = func(ctx context.Context, _ secret.Secret) (mcpproxy.Access, error) {
				return serverAccess(ctx, access, address)
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, proxyRun)
		},
	}
	keyFlag(cmd, f, &key, &dir)
	cmd.Flags().StringVar(&address, "url", "", "another `URL` of the same MCP server")
	return cmd
}

func proxyRun(ctx context.Context, opts *ProxyOptions) error {
	return mcpproxy.Run(ctx, mcpproxy.Config{
		In: opts.Out.IO.In, Out: opts.Out.IO.Out, Agent: "keyfob/" + build.Version(), Note: opts.Out.Note,
		Access: func(ctx context.Context, refused secret.Secret) (mcpproxy.Access, error) {
			ctx, cancel := context.WithTimeout(ctx, secretTimeout)
			defer cancel()
			access, err := opts.Access(ctx, refused)
			if err == nil {
				return access, nil
			}
			e := cliutil.Describe(err)
			if e.Hint == "" {
				return access, fmt.Errorf("keyfob: %w", err)
			}
			return access, fmt.Errorf("keyfob: %s; %s", e.Message, e.Hint)
		},
	})
}

// serverAccess finds the secret, and asks the service where its MCP server is: the secret goes nowhere else.
func serverAccess(ctx context.Context, key *keyAccess, address string) (mcpproxy.Access, error) {
	found, service, err := key.find(ctx)
	if err != nil {
		return mcpproxy.Access{}, err
	}
	if found.Self == nil {
		self, err := service.Self(ctx, found.Secret)
		if err != nil {
			return mcpproxy.Access{}, key.explain(err)
		}
		found.Self = &self
	}
	server, err := url.Parse(found.Self.MCP.URL)
	if err != nil || server.Host == "" || server.User != nil || server.Scheme != "https" && server.Scheme != "http" {
		return mcpproxy.Access{}, &cliutil.Error{
			Code: "unexpected-answer", Exit: cliutil.ExitFailed, Message: "the service does not say where its MCP server is",
			Hint: "update the service",
		}
	}
	if address == "" {
		return mcpproxy.Access{URL: server.String(), Secret: found.Secret}, nil
	}
	wanted, err := url.Parse(address)
	if err != nil || wanted.User != nil || !strings.EqualFold(wanted.Scheme, server.Scheme) || !strings.EqualFold(wanted.Host, server.Host) {
		return mcpproxy.Access{}, &cliutil.Error{
			Code: "other-origin", Exit: cliutil.ExitConflict, Message: "--url is not at " + server.Scheme + "://" + cliutil.Printable(server.Host),
			Hint: "leave --url out: the key is for the service's own MCP server",
		}
	}
	return mcpproxy.Access{URL: wanted.String(), Secret: found.Secret}, nil
}
