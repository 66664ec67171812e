package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddress is the address of the client that a request comes from; the zero Addr if it has none. It is that of the
// connection's peer, unless that is a trusted proxy: then ServeHTTP has put there whom the proxy names. All that counts or keeps
// addresses asks here.
func ClientAddress(r *http.Request) netip.Addr { return address(r.RemoteAddr) }

// proxies are the networks whose word about clients is taken.
type proxies []netip.Prefix

func (p proxies) trust(ip netip.Addr) bool {
	return ip.IsValid() && slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(ip) })
}

// locate makes the client of a request that a trusted proxy sent the request's peer. From anybody else, what headers say of
// clients is no more than a claim.
func (p proxies) locate(r *http.Request) {
	if len(p) == 0 {
		return
	}
	peer := address(r.RemoteAddr)
	if !p.trust(peer) {
		return
	}
	if client := p.client(peer, r.Header["X-Forwarded-For"]); client != peer {
		r.RemoteAddr = netip.AddrPortFrom(client, namedPort).String()
	}
}

// namedPort stands for the port of a client that a proxy names. No connection comes from it.
const namedPort = 0

// isNamed says that the request's client is whom a trusted proxy named, not the connection's peer.
func isNamed(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && at.Port() == namedPort
}

// client goes back through the hops, each of which was named by the one after it, to the first that is not trusted. Where one
// is no address, the hop that named it is the last that is known.
func (p proxies) client(peer netip.Addr, header []string) netip.Addr {
	for _, line := range slices.Backward(header) {
		for line != "" {
			comma := strings.LastIndexByte(line, ',')
			hop, ok := hopAddress(line[comma+1:])
			if !ok {
				return peer
			}
			if peer = hop; !p.trust(hop) {
				return hop
			}
			line = line[:max(comma, 0)]
		}
	}
	return peer
}

// hopAddress reads an address as proxies write it, some with its port.
func hopAddress(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if ip := address(text); ip.IsValid() {
		return ip, true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return ip.Unmap().WithZone(""), err == nil
}
