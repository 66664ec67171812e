package mcpclient

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Params is what a setup is made of.
type Params struct {
	// Name of the server in the client: [a-z0-9][a-z0-9_-]*, at most 63 characters, and no word a client keeps for itself.
	Name string
	// URL of the endpoint: absolute, http or https, at most 2048 bytes, without userinfo, fragment and api_key.
	URL    string
	Secret secret.Secret
	// Shell that the command is written for. Links and URLs do without.
	Shell shellquote.Shell
}

// Reasons why parameters are refused.
var (
	ErrName   = errors.New("mcp server name")
	ErrURL    = errors.New("mcp server url")
	ErrSecret = errors.New("no secret of a key was given")
)

const (
	maxName  = 63
	maxURL   = 2048
	keyParam = "api_key"
	lower    = "abcdefghijklmnopqrstuvwxyz0123456789"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// server is Params that were checked, the URL written so that nothing on the way to the client can change it.
type server struct {
	name   string
	url    *url.URL
	key    secret.Secret
	secret string
	shell  shellquote.Shell
}

func (p Params) server() (server, error) {
	if err := checkName(p.Name); err != nil {
		return server{}, err
	}
	u, err := canonicalURL(p.URL)
	if err != nil {
		return server{}, err
	}
	if !strings.HasPrefix(p.Secret.Reveal(), string(secret.Key)) {
		return server{}, ErrSecret
	}
	return server{name: p.Name, url: u, key: p.Secret, secret: p.Secret.Reveal(), shell: p.Shell}, nil
}

// bearer is the value of the Authorization header (RFC 6750).
func (s server) bearer() string { return "Bearer " + s.secret }

// keyURL is the URL with the secret in it, for clients that can't send a header.
func (s server) keyURL() string {
	u := *s.url
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += keyParam + "=" + url.QueryEscape(s.secret)
	return u.String()
}

func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("%w: use 1 to %d characters", ErrName, maxName)
	case strings.Trim(name, lower+"_-") != "" || name[0] == '_' || name[0] == '-':
		return fmt.Errorf("%w: use a-z, 0-9, _ and -, beginning with a letter or digit", ErrName)
	case slices.Contains([]string{"workspace", "claude-in-chrome", "computer-use"}, name):
		return fmt.Errorf("%w: Claude keeps this name for itself, use another", ErrName)
	}
	return nil
}

// canonicalURL checks the URL and escapes what a shell, a link handler or a query parser might act on. What it points to
// stays the same.
func canonicalURL(raw string) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) { return nil, fmt.Errorf("%w: %s", ErrURL, why) }
	if len(raw) > maxURL {
		return refuse("it is longer than " + strconv.Itoa(maxURL) + " bytes")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil: // which repeats the URL
		return refuse("it cannot be parsed, write it as https://host/path")
	case u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "":
		return refuse("it must begin with https:// or http://")
	case u.User != nil:
		return refuse("it holds a user or password, leave them out")
	case strings.Contains(raw, "#"):
		return refuse("it holds a fragment (#…), leave it out")
	}
	host, err := canonicalHost(u)
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse("its query cannot be parsed")
	}
	if query.Has(keyParam) {
		return refuse("it holds " + keyParam + " already, leave it out")
	}
	path := escape(u.EscapedPath(), "/:@+,=")
	if path == "" {
		path = "/"
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return refuse("its path cannot be parsed")
	}
	return &url.URL{Scheme: u.Scheme, Host: host, Path: plain, RawPath: path, RawQuery: escape(u.RawQuery, "/:@+,=&")}, nil
}

func canonicalHost(u *url.URL) (string, error) {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", fmt.Errorf("%w: its host is not an IPv6 address", ErrURL)
		}
		host = "[" + addr.String() + "]"
	} else if host == "" || strings.Trim(host, lower+".-_") != "" || host[0] == '-' || host[0] == '.' {
		return "", fmt.Errorf("%w: its host must be a name of a-z, 0-9, - and . (other letters in their xn-- form) or an address", ErrURL)
	}
	if port == "" {
		return host, nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%w: its port is not one of 1 to 65535", ErrURL)
	}
	return host + ":" + port, nil
}

// escape percent-encodes all but the unreserved characters of RFC 3986, the marks in keep and what is encoded already.
func escape(s, keep string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.IndexByte(lower+upper+"-._~"+keep, c) >= 0:
			b.WriteByte(c)
		case c == '%' && i+2 < len(s):
			b.WriteString(strings.ToUpper(s[i : i+3]))
			i += 2
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
