package mcpclient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// compactJSON encodes on one line and leaves &, < and > as they are.
func compactJSON(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encode server entry: %w", err)
	}
	return strings.TrimSuffix(buf.String(), "\n"), nil
}

// encodeComponent is what encodeURIComponent of ECMAScript undoes: a blank is %20, since decodeURIComponent leaves + alone.
func encodeComponent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// cloudNote warns where the client's vendor, who makes the requests of its connectors, can't reach the server.
func (s server) cloudNote(vendor string) string {
	if s.url.Scheme == "https" && isPublic(s.url.Hostname()) {
		return ""
	}
	return vendor + " connects from its vendor's network and takes only a public https URL; " + s.url.Scheme + "://" + s.url.Host + " is none"
}

func isPublic(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsGlobalUnicast() && !addr.IsPrivate()
	}
	host = strings.TrimSuffix(host, ".")
	for _, local := range []string{".localhost", ".local", ".internal", ".lan", ".home.arpa"} {
		if strings.HasSuffix(host, local) {
			return false
		}
	}
	return strings.Contains(host, ".")
}
