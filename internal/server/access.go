package server

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// checkHost refuses a Host header that names another service: the mark of DNS rebinding, where a page in the user's
// browser reaches a loopback service under the attacker's name.
func (s *Server) checkHost(r *http.Request) error {
	if s.hosts[hostOnly(r.Host)] {
		return nil
	}
	return &core.Error{
		Code: api.CodeHostNotAllowed, Detail: "the Host header names a host that this service does not answer for",
		Fix: "use the service's public URL; the operator sets it with --public-url",
	}
}

// checkOrigin refuses what a page of another site sends, which is every request with a foreign Origin header. Reading
// is let through except on /mcp: the MCP transport asks servers to check every request (revision 2025-11-25, §Security
// Warning).
func (s *Server) checkOrigin(r *http.Request) error {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	if safe && r.Pattern != mcpPath {
		return nil
	}
	for _, value := range r.Header.Values("Origin") {
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !s.hosts[strings.ToLower(u.Hostname())] {
			return &core.Error{
				Code:   api.CodeOriginNotAllowed,
				Detail: "the Origin header names a site that may not call this service",
				Fix:    "call the service from a program; web pages of other sites are refused",
			}
		}
	}
	return nil
}

// hostOnly strips port and brackets from a Host header and lowers its case.
func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}

// Origin is what use tracking may keep of where the request came from.
func Origin(r *http.Request) core.Origin {
	return core.Origin{AddressPrefix: addressPrefix(ClientAddress(r)), Agent: agent(r.UserAgent())}
}

// address is the IP address of a peer: that of the connection, whatever headers say. It is the zero Addr if addr is no
// address and port.
func address(addr string) netip.Addr {
	peer, err := netip.ParseAddrPort(addr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

// addressPrefix is the network of a client: /24 for IPv4, /48 for IPv6; empty without an address.
func addressPrefix(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return ""
	}
	var text [len("xxxx:xxxx:xxxx::/48")]byte // and 255.255.255.0/24
	return string(prefix.AppendTo(text[:0]))
}

func isVisibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// agent is the first product token of a User-Agent header (RFC 9110 §10.1.5), printable and at most 64 characters.
func agent(header string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(header), " ")
	if len(first) <= 64 && isVisibleASCII(first) { // nearly all are
		return first
	}
	var out []rune
	for _, c := range first {
		if len(out) == 64 {
			break
		}
		if unicode.IsPrint(c) && c != unicode.ReplacementChar {
			out = append(out, c)
		}
	}
	return string(out)
}
