package mcpproxy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// stateless is the first revision without handshake, sessions and GET; its requests name method and target in headers.
const stateless = "2026-07-28"

const (
	metaVersion = "io.modelcontextprotocol/protocolVersion"
	maxVersion  = 32   // bytes
	maxTools    = 4096 // tools whose parameters are remembered
)

// wireState is what the handshake settled, and with it what each request says of itself.
type wireState struct {
	session  string // empty: the server keeps none
	protocol string // empty: there was no handshake yet
	modern   string // the revision that a request without handshake named last
	round    int    // counts the handshakes
}

// version is the revision of a message: what its _meta says, else what the connection speaks. Revisions are dates, and compare as
// strings.
func (w wireState) version(m message) string {
	if v := revision(m.params); v != "" {
		return v
	}
	if w.protocol != "" {
		return w.protocol
	}
	return w.modern
}

func revision(params json.RawMessage) string {
	if !bytes.Contains(params, []byte(metaVersion)) {
		return ""
	}
	var p struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	var v string
	if json.Unmarshal(params, &p) != nil || json.Unmarshal(p.Meta[metaVersion], &v) != nil || !isVersion(v) {
		return ""
	}
	return v
}

func isVersion(v string) bool {
	return v != "" && len(v) <= maxVersion && strings.IndexFunc(v, func(r rune) bool { return r < 0x21 || r > 0x7e }) < 0
}

// route names method and target of a message, as 2026-07-28 wants it (SEP-2243).
func (b *bridge) route(h http.Header, m message) {
	if m.method == "" {
		return
	}
	h.Set("Mcp-Method", encodeHeader(m.method))
	var p struct {
		Name      *string                    `json:"name"`
		URI       *string                    `json:"uri"`
		Arguments map[string]json.RawMessage `json:"arguments"`
	}
	if json.Unmarshal(m.params, &p) != nil {
		return
	}
	target := p.Name
	switch m.method {
	case methodReadRes:
		target = p.URI
	case methodCallTool, methodGetPrompt:
	default:
		return
	}
	if target == nil {
		return
	}
	h.Set("Mcp-Name", encodeHeader(*target))
	if m.method != methodCallTool {
		return
	}
	b.mu.Lock()
	bindings := b.tools[*target]
	b.mu.Unlock()
	for _, at := range bindings {
		if value, ok := argument(p.Arguments, at.path); ok {
			h.Set("Mcp-Param-"+at.header, encodeHeader(value))
		}
	}
}

// binding says that an argument of a tool is repeated in a header.
type binding struct {
	path   []string
	header string
}

// learn remembers which arguments the tools of a list want repeated in headers.
func (b *bridge) learn(result json.RawMessage) {
	type tool struct {
		Name   string   `json:"name"`
		Schema property `json:"inputSchema"`
	}
	var list struct {
		Tools []tool `json:"tools"`
	}
	if !bytes.Contains(result, []byte("x-mcp-header")) || json.Unmarshal(result, &list) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range list.Tools {
		if found := t.Schema.bindings(nil); len(found) > 0 && (len(b.tools) < maxTools || b.tools[t.Name] != nil) {
			b.tools[t.Name] = found
		}
	}
}

// property is of a JSON schema what says which headers there are.
type property struct {
	Header     json.RawMessage     `json:"x-mcp-header"`
	Properties map[string]property `json:"properties"`
}

func (p property) bindings(path []string) []binding {
	var found []binding
	for _, name := range slices.Sorted(maps.Keys(p.Properties)) {
		child, at := p.Properties[name], append(slices.Clip(path), name)
		var header string
		if json.Unmarshal(child.Header, &header) == nil && isToken(header) {
			found = append(found, binding{at, header})
		}
		found = append(found, child.bindings(at)...)
	}
	return found
}

// argument is the string, boolean or whole number at path, as text.
func argument(args map[string]json.RawMessage, path []string) (string, bool) {
	raw, ok := args[path[0]]
	for _, name := range path[1:] {
		var inner map[string]json.RawMessage
		if !ok || json.Unmarshal(raw, &inner) != nil {
			return "", false
		}
		raw, ok = inner[name]
	}
	var value any
	if !ok || json.Unmarshal(raw, &value) != nil {
		return "", false
	}
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		const safe = 1<<53 - 1 // what JavaScript counts exactly
		if v == math.Trunc(v) && math.Abs(v) <= safe {
			return strconv.FormatInt(int64(v), 10), true
		}
	}
	return "", false
}

// encodeHeader leaves plain ASCII as it is; anything else, and what looks encoded already, travels in base64.
func encodeHeader(s string) string {
	const prefix, suffix = "=?base64?", "?="
	plain := strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0 && strings.TrimSpace(s) == s
	encoded := strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix)
	if plain && !encoded {
		return s
	}
	return prefix + base64.StdEncoding.EncodeToString([]byte(s)) + suffix
}

// isToken says that s can be a header's name (RFC 9110 §5.6.2).
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return s != "" && len(s) <= 128 && strings.IndexFunc(s, func(r rune) bool {
		known := '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || strings.ContainsRune(others, r)
		return !known
	}) < 0
}
