package daemon

import (
	"io"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/client"
)

// ServeOptions is all that serveRun needs.
type ServeOptions struct {
	Listen         string // host:port; port 0: any free one
	DataDir        string
	Database       string // the URL of a PostgreSQL database; empty: the file in DataDir
	PublicURL      string // the service's origin as clients reach it; empty: where it listens
	MCPName        string // [a-z0-9][a-z0-9_-]*, at most 63
	MCPUpstream    string // URL of the MCP server that /mcp guards; empty: /mcp is our own
	InsecureHTTP   bool   // listen beyond this machine without TLS
	ExitWithParent bool   // stop when In ends
	JSON           bool   // say where it listens as JSON
	SignIn         SignIn
	SetupLink      bool // while there is no account, print a link that makes the first
	Version        string

	In     io.Reader // read only with ExitWithParent
	Out    io.Writer // one line: where it listens
	ErrOut io.Writer // the log
	Now    func() time.Time
}

// check refuses options that can't work or that aren't safe. public is nil if PublicURL is empty.
func (o *ServeOptions) check() (public *url.URL, err error) {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, cliutil.UsageError("--listen %q is not of the form host:port", cliutil.Printable(o.Listen))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, cliutil.UsageError("--listen %q: the port must be a number from 0 to 65535", cliutil.Printable(o.Listen))
	}
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`).MatchString(o.MCPName) {
		return nil, cliutil.UsageError("--mcp-name %q: use 1 to 63 of a-z, 0-9, _ and -, a letter or digit first", cliutil.Printable(o.MCPName))
	}
	if o.PublicURL != "" {
		if public, err = client.ParseURL(o.PublicURL); err != nil {
			return nil, cliutil.UsageError("--public-url: %s", cliutil.Printable(err.Error()))
		}
	}
	if isLoopback(host) {
		return public, nil
	}
	if !o.InsecureHTTP {
		return nil, insecure(o.Listen)
	}
	if public == nil {
		return nil, cliutil.UsageError("--listen %s goes beyond this machine: say with --public-url how clients reach it", o.Listen)
	}
	return public, nil
}

// upstream reads MCPUpstream; nil: there is none. A query could hold a secret, which argv must not.
func (o *ServeOptions) upstream() (*url.URL, error) {
	if o.MCPUpstream == "" {
		return nil, nil //nolint:nilnil // none was asked for
	}
	u, err := url.Parse(o.MCPUpstream)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, cliutil.UsageError("--mcp-upstream is no URL of the form https://HOST/PATH")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, cliutil.UsageError("--mcp-upstream has a user name, a query or a fragment; give host and path alone")
	case u.Scheme == "http" && !isLoopback(u.Hostname()) && !o.InsecureHTTP:
		e := cliutil.UsageError("--mcp-upstream is plain http to %s: who is in between could read and change it", cliutil.Printable(u.Hostname()))
		e.Hint = "use https; if the network in between is yours alone, add --insecure-http"
		return nil, e
	}
	return u, nil
}

func insecure(address string) *cliutil.Error {
	err := cliutil.UsageError("--listen %s would send secrets over the network without TLS", cliutil.Printable(address))
	err.Hint = "listen on 127.0.0.1 behind a proxy that terminates TLS, and name its URL with --public-url; " +
		"if the network in between is yours alone, add --insecure-http"
	return err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
