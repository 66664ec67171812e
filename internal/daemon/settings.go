package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/client"
)

// Setting is one of serve's options, for its documentation.
type Setting struct {
	Flag    string // with its dashes
	Env     string // environment variable
	File    string // name in the config file; empty: it can't stand there
	Default string
	Usage   string
}

// Settings lists serve's options as they are documented.
func Settings() []Setting {
	var all []Setting
	for _, s := range settings(&ServeOptions{}) {
		row := Setting{Flag: "--" + s.name, Env: s.env(), File: s.key(), Default: s.def, Usage: cliutil.Plain(s.usage)}
		if s.flagOnly {
			row.File = ""
		}
		all = append(all, row)
	}
	return all
}

// setting is one of serve's options: flag, environment variable, place in the config file and check derive from it.
type setting struct {
	name     string // of the flag
	field    any    // *string, *bool or *[]string, which is filled
	def      string // of a *string or a *bool
	usage    string // names in backquotes are what the help calls a flag's value
	flagOnly bool   // it is of one start, not of a service: no config file holds it
	check    func(value string) error
}

func (s setting) key() string { return strings.ReplaceAll(s.name, "-", "_") }
func (s setting) env() string { return "KEYFOBD_" + strings.ToUpper(s.key()) }

// settings is the one table of serve's options. None is a secret: those lie in files, whose paths are given here.
func settings(o *ServeOptions) []setting {
	return []setting{
		{name: "config", field: &o.Config, usage: "`FILE` with options, in YAML", flagOnly: true},
		{name: "print-config", field: &o.PrintConfig, def: "false", usage: "print the options in force and where each comes from, and start nothing", flagOnly: true},
		{name: "listen", field: &o.Listen, def: "127.0.0.1:7420", usage: "`HOST:PORT` to listen on; port 0 is any free one", check: checkAddress},
		{name: "data-dir", field: &o.DataDir, usage: dataDirUsage},
		{name: "database", field: &o.Database, usage: databaseUsage, check: checkDatabase},
		{name: "public-url", field: &o.PublicURL, usage: "the service's `URL` as clients reach it (default: where it listens)", check: checkPublicURL},
		{name: "tls-cert", field: &o.TLSCert, usage: "`FILE` with the certificate, and those above it, in PEM"},
		{name: "tls-key", field: &o.TLSKey, usage: "`FILE` with the certificate's key, mode 0600"},
		{name: "trusted-proxies", field: &o.TrustedProxies, usage: "networks (`CIDR`, comma-separated) of the proxies whose X-Forwarded-For counts", check: checkNetwork},
		{name: "insecure-http", field: &o.InsecureHTTP, def: "false", usage: "listen, and reach --mcp-upstream, beyond this machine without TLS"},
		{name: "metrics-listen", field: &o.MetricsListen, usage: "`HOST:PORT` for /metrics alone (default: --listen, for programs on this machine)", check: checkAddress},
		{name: "log-format", field: &o.LogFormat, def: "text", usage: "`FORMAT` of the log: text or json", check: oneOf("text", "json")},
		{name: "log-level", field: &o.LogLevel, def: "info", usage: "the least `LEVEL` that is logged: debug, info, warn or error", check: oneOf("debug", "info", "warn", "error")},
		{name: "mcp-name", field: &o.MCPName, def: "keyfob", usage: "`NAME` of the hosted MCP server in AI clients", check: checkMCPName},
		{name: "mcp-upstream", field: &o.MCPUpstream, usage: "`URL` of an MCP server (Streamable HTTP) that /mcp guards, instead of Keyfob's own tools"},
		{name: "oidc-issuer", field: &o.SignIn.Issuer, usage: "sign people in with the OpenID provider of this `URL` instead of passwords"},
		{name: "oidc-client-id", field: &o.SignIn.ClientID, usage: "`ID` that the provider knows this service by"},
		{name: "oidc-client-secret-file", field: &o.SignIn.SecretFile, usage: "`FILE` with the secret that goes with it, mode 0600"},
		{name: "oidc-join", field: &o.SignIn.Joins, usage: "who signs in with an address of a domain joins: `DOMAIN=ORG:ROLE`; may be given again", check: checkJoin},
		{name: "setup-link", field: &o.SetupLink, def: "true", usage: "while there is no account, print a link that makes the first one"},
		{name: "drain-delay", field: &o.DrainDelay, def: "0s", usage: "`DURATION` to go on serving after SIGTERM, while /readyz answers 503 and balancers notice", check: checkDelay},
		{name: "exit-with-parent", field: &o.ExitWithParent, def: "false", usage: "stop when stdin ends", flagOnly: true},
	}
}

// values are what the option holds now; an empty one is none.
func (s setting) values() []string {
	switch field := s.field.(type) {
	case *string:
		if *field != "" || s.def != "" {
			return []string{*field}
		}
	case *[]string:
		return *field
	}
	return nil
}

// verify checks what the option holds; place is where a person finds it.
func (s setting) verify(place string) error {
	if s.check == nil {
		return nil
	}
	for _, value := range s.values() {
		err := s.check(value)
		if err == nil {
			continue
		}
		refusal := cliutil.UsageError("%s %s: %s", place, cliutil.Quoted(value), cliutil.Printable(err.Error()))
		if s.name == "public-url" || s.name == "database" { // it may hold a password
			refusal.Message = place + ": " + cliutil.Printable(err.Error())
		}
		if known, ok := errors.AsType[*cliutil.Error](err); ok {
			refusal.Message, refusal.Hint = place+": "+known.Message, known.Hint
		}
		return refusal
	}
	return nil
}

func checkAddress(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return errors.New("it is not of the form host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("the port must be a number from 0 to 65535")
	}
	return nil
}

func checkPublicURL(value string) error {
	_, err := client.ParseURL(value)
	return err
}

func checkMCPName(value string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`).MatchString(value) {
		return errors.New("use 1 to 63 of a-z, 0-9, _ and -, a letter or digit first")
	}
	return nil
}

func checkNetwork(value string) error {
	_, err := parseNetwork(value)
	return err
}

// parseNetwork reads a network, or one address.
func parseNetwork(value string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(value); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	network, err := netip.ParsePrefix(value)
	switch {
	case err != nil:
		return netip.Prefix{}, errors.New("it is no network such as 10.0.0.0/8, and no address")
	case network.Masked() != network:
		return netip.Prefix{}, fmt.Errorf("it is an address within a network; did you mean %s?", network.Masked())
	case network.Bits() == 0:
		return netip.Prefix{}, errors.New("it would trust everybody; name the networks of your proxies")
	case network.Addr().Is4In6():
		return netip.Prefix{}, errors.New("write IPv4 networks as IPv4")
	}
	return network, nil
}

func checkDatabase(value string) error {
	if value == "" {
		return nil
	}
	_, err := databaseOf(value)
	return err
}

// mostDelay is longer than any balancer takes to notice.
const mostDelay = 5 * time.Minute

func checkDelay(value string) error {
	_, err := parseDelay(value)
	return err
}

func parseDelay(value string) (time.Duration, error) {
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > mostDelay {
		return 0, fmt.Errorf("use a duration from 0s to %s, such as 5s", mostDelay)
	}
	return d, nil
}

func checkJoin(value string) error {
	_, err := parseJoin(value)
	return err
}

func oneOf(words ...string) func(string) error {
	return func(value string) error {
		if !slices.Contains(words, value) {
			return fmt.Errorf("use one of %s", strings.Join(words, ", "))
		}
		return nil
	}
}
