package daemon

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
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
	TLSCert        string // PEM file; with TLSKey: serve TLS
	TLSKey         string
	TrustedProxies []string // networks whose X-Forwarded-For counts
	MetricsListen  string   // host:port of /metrics alone; empty: on Listen, for this machine
	LogFormat      string   // text or json
	LogLevel       string   // debug, info, warn or error
	DrainDelay     string   // a Go duration: for how long it goes on serving, unready, once it is to stop
	ExitWithParent bool     // stop when In ends
	JSON           bool     // say where it listens as JSON
	SignIn         SignIn
	SetupLink      bool // while there is no account, print a link that makes the first
	Version        string

	Config      string            // the file that options were read from
	PrintConfig bool              // print the options, serve nothing
	Origins     map[string]string // where each option's value came from, by its flag's name

	reloadEvery time.Duration // how often TLS files are looked at; 0: as usual

	In     io.Reader // read only with ExitWithParent
	Out    io.Writer // one line: where it listens
	ErrOut io.Writer // the log
	Now    func() time.Time
}

// check refuses options that can't work or that aren't safe. public is nil if PublicURL is empty.
func (o *ServeOptions) check() (public *url.URL, err error) {
	for _, s := range settings(o) {
		if err := s.verify("--" + s.name); err != nil {
			return nil, err
		}
	}
	if o.PublicURL != "" {
		if public, err = client.ParseURL(o.PublicURL); err != nil {
			return nil, cliutil.UsageError("--public-url: %s", cliutil.Printable(err.Error()))
		}
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return nil, cliutil.UsageError("--tls-cert and --tls-key go together: one is missing")
	}
	if o.tls() && public != nil && public.Scheme != "https" {
		return nil, cliutil.UsageError("--public-url is %s, but with --tls-cert the service answers https alone", public)
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, err // verify has seen it
	}
	if isLoopback(host) {
		return public, nil
	}
	if !o.InsecureHTTP && !o.tls() {
		return nil, insecure(o.Listen)
	}
	if public == nil {
		return nil, cliutil.UsageError("--listen %s goes beyond this machine: say with --public-url how clients reach it", o.Listen)
	}
	return public, nil
}

// drainDelay is DrainDelay; check has refused all else.
func (o *ServeOptions) drainDelay() time.Duration {
	d, _ := parseDelay(o.DrainDelay)
	return d
}

// proxies are the networks of TrustedProxies.
func (o *ServeOptions) proxies() []netip.Prefix {
	var networks []netip.Prefix
	for _, text := range o.TrustedProxies {
		if network, err := parseNetwork(text); err == nil { // check has refused all else
			networks = append(networks, network)
		}
	}
	return networks
}

// tls says that the service itself ends TLS.
func (o *ServeOptions) tls() bool { return o.TLSCert != "" }

// whole checks all options, and returns what two of them mean.
func (o *ServeOptions) whole() (public *url.URL, joins []core.Join, err error) {
	if public, err = o.check(); err != nil {
		return nil, nil, err
	}
	if _, err = o.upstream(); err != nil {
		return nil, nil, err
	}
	joins, err = o.SignIn.rules()
	return public, joins, err
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
	err.Hint = "give it a certificate with --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy that terminates TLS, and name its URL with --public-url; " +
		"if the network in between is yours alone, add --insecure-http"
	return err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// log is where the service writes what it does.
func (o *ServeOptions) log() *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(o.LogLevel)) != nil {
		level = slog.LevelInfo // check refuses others
	}
	how := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(o.ErrOut, how))
	}
	return slog.New(slog.NewTextHandler(o.ErrOut, how))
}
