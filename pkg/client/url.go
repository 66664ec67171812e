package client

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// URLError says why a string can't be a service's URL.
type URLError struct{ Reason string }

// Error returns the reason.
func (e *URLError) Error() string { return "the service URL " + e.Reason }

// ParseURL takes a service's URL: https, or http on a loopback address; a host, and nothing more than it and a port.
// Its errors are *URLError and hold no part of the URL that may be a credential.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, &URLError{"is empty"}
	case err != nil:
		return nil, &URLError{"can't be parsed"}
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, &URLError{fmt.Sprintf("has the scheme %q; only https, and http on this machine, are allowed", u.Scheme)}
	case u.User != nil:
		return nil, &URLError{"carries a user name or password; sign in instead"}
	case u.Hostname() == "":
		return nil, &URLError{"has no host"}
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, &URLError{"has a query or a fragment"}
	case strings.Trim(u.Path, "/") != "":
		return nil, &URLError{fmt.Sprintf("has the path %q; give the origin alone", u.Path)}
	case !goodPort(u.Port()):
		return nil, &URLError{fmt.Sprintf("has the port %s; ports go from 1 to 65535", u.Port())}
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, &URLError{fmt.Sprintf("is plain http to %s; only https goes beyond this machine", u.Hostname())}
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// goodPort takes a port of digits, or none.
func goodPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
