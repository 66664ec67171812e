package mcpclient

import (
	"cmp"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Found is what an entry that stands in a file connects to, and with what.
type Found struct {
	// URL is the server's, without api_key. A stdio entry has one if its arguments do.
	URL string
	// Rung is the strongest that the entry has. Empty: it has no key, or gets it in a way that is none of the rungs.
	Rung Rung
	// Key is a key that stands in the entry, in whatever field. It may lie there beside a stronger rung.
	Key    secret.Secret
	EnvVar string   // the variable that it refers to
	Helper []string // argv of the header helper
	// Argv is that of a stdio entry, whatever it runs; it may hold a key and is not for printing.
	Argv []string
}

// Read tells what an entry connects to. ok is false for what is no server's entry.
func (c Client) Read(t Target, e edit.Entry) (found Found, ok bool) {
	entry, isMap := e.Value.(map[string]any)
	if !isMap {
		return Found{}, false
	}
	r := reader{entry: entry, windows: t.windows, expands: c.expands()}
	for _, form := range c.allForms() {
		for _, l := range leaves(form) {
			r.leaf(l)
		}
	}
	if r.command != "" {
		r.Argv = append([]string{r.command}, r.args...)
		if r.URL == "" {
			r.urlOf(r.args)
		}
	}
	if r.Key.IsZero() {
		r.Key = keyIn(entry)
	}
	r.Rung = r.rung()
	return r.Found, r.remote || r.command != ""
}

// reader gathers what an entry has.
type reader struct {
	Found

	entry   map[string]any
	windows bool
	expands bool // the client puts a variable's value into a header

	remote  bool // it has a URL
	literal bool // it has a header that is no reference
	command string
	args    []string
}

// leaf reads what stands where a form of the client has a hole.
func (r *reader) leaf(l leaf) {
	value := at(r.entry, l.path)
	switch hole, _ := l.value.(string); {
	case hole == theURL:
		if raw := text(value); raw != "" && !r.remote {
			r.remote = true
			r.URL, r.Key = splitKey(raw, r.Key)
		}
	case hole == theCommand:
		r.command = cmp.Or(r.command, text(value))
	case hole == theArgs:
		if args := words(value); len(args) > 0 {
			r.args = args
		}
	case hole == theArgv:
		if argv := words(value); len(argv) > 0 {
			r.command, r.args = argv[0], argv[1:]
		}
	case hole == theHelper:
		if line := text(value); line != "" {
			r.Helper = splitLine(line, r.windows)
		}
	case hole == theVar:
		r.EnvVar = cmp.Or(r.EnvVar, text(value))
	case l.isHeader():
		r.header(text(value))
		r.header(text(at(r.entry, l.sibling(otherHeader))))
	case strings.Contains(hole, theKey):
		r.header(text(value))
	}
}

func (r *reader) rung() Rung {
	switch {
	case len(r.Helper) > 0:
		return RungHelper
	case r.EnvVar != "":
		return RungEnv
	case RunsKeyfob(r.Argv, "proxy"):
		return RungProxy
	case r.literal || !r.Key.IsZero():
		return RungLiteral
	default:
		return ""
	}
}

// urlOf finds the URL among arguments.
func (r *reader) urlOf(args []string) {
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
			arg = value
		}
		if strings.HasPrefix(arg, "http://") || strings.HasPrefix(arg, "https://") {
			r.URL, r.Key = splitKey(arg, r.Key)
			return
		}
	}
}

// header reads the value of a header: a key, a reference to a variable, or another literal.
func (r *reader) header(value string) {
	if scheme, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "bearer") {
		value = strings.TrimSpace(rest)
	}
	if value == "" {
		return
	}
	if key, err := secret.Parse(secret.Key, value); err == nil {
		r.Key = key
		return
	}
	if name, isRef := reference(value); isRef && r.expands {
		r.EnvVar = cmp.Or(r.EnvVar, name)
		return
	}
	r.literal = true
}

// expands says that the client puts a variable's value into a header.
func (c Client) expands() bool {
	return slices.ContainsFunc(leaves(c.facts().forms[RungEnv]), leaf.isHeader)
}

// reference reads $VAR, ${VAR}, ${VAR:-default}, ${env:VAR}, {env:VAR} and ${{ secrets.VAR }}. name is empty for a reference
// to something else than a variable, such as ${input:id}.
func reference(s string) (name string, ok bool) {
	inner, ok := strings.CutPrefix(s, "$")
	if !ok && !strings.HasPrefix(s, "{") {
		return "", false
	}
	inner = strings.TrimSpace(strings.Trim(inner, "{}"))
	for _, prefix := range []string{"env:", "secrets."} {
		inner = strings.TrimPrefix(inner, prefix)
	}
	inner, _, _ = strings.Cut(inner, ":-")
	if !isVariable(inner) {
		return "", true
	}
	return inner, true
}

// splitKey takes api_key and userinfo out of a URL. One that can't be parsed, such as https://${HOST}/mcp, or that has a key
// elsewhere, is cut before it.
func splitKey(raw string, have secret.Secret) (string, secret.Secret) {
	plain, key := withoutKey(raw, have)
	for _, mark := range []string{"?", "@", "/"} {
		if !keyIn(plain).IsZero() {
			key = keyIn(plain)
			plain, _, _ = strings.Cut(plain, mark)
		}
	}
	return plain, key
}

func withoutKey(raw string, have secret.Secret) (string, secret.Secret) {
	u, err := url.Parse(raw)
	if err != nil {
		plain, _, _ := strings.Cut(raw, "?")
		if strings.Contains(plain, "@") {
			return "", have
		}
		return plain, have
	}
	u.User = nil
	var kept []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err != nil || plain != keyParam {
			kept = append(kept, pair)
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil && have.IsZero() {
			have, _ = secret.Parse(secret.Key, plain)
		}
	}
	u.RawQuery, u.ForceQuery = strings.Join(kept, "&"), false
	return u.String(), have
}

// RunsKeyfob says that argv is keyfob mcp VERB, wherever keyfob lies.
func RunsKeyfob(argv []string, verb string) bool {
	if len(argv) < 3 {
		return false
	}
	program := path.Base(strings.ReplaceAll(argv[0], `\`, "/"))
	i := slices.Index(argv, "mcp")
	return strings.TrimSuffix(strings.ToLower(program), ".exe") == "keyfob" && i > 0 && i+1 < len(argv) && argv[i+1] == verb
}

// keyIn finds a key in any string below v.
func keyIn(v any) secret.Secret {
	switch v := v.(type) {
	case string:
		for i := strings.Index(v, string(secret.Key)); i >= 0; {
			rest := v[i:]
			end := len(rest) - len(strings.TrimLeft(rest, lower+upper+"_"))
			if key, err := secret.Parse(secret.Key, rest[:end]); err == nil {
				return key
			}
			next := strings.Index(rest[1:], string(secret.Key))
			if next < 0 {
				break
			}
			i += 1 + next
		}
	case []any:
		for _, inner := range v {
			if key := keyIn(inner); !key.IsZero() {
				return key
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if key := keyIn(v[name]); !key.IsZero() {
				return key
			}
		}
	}
	return secret.Secret{}
}

// at returns the value at the path; the name of a header is matched in any case (RFC 9110).
func at(v any, path []string) any {
	for i, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		inner, found := m[name]
		if !found && i == len(path)-1 && (name == "Authorization" || name == otherHeader) {
			for _, other := range slices.Sorted(maps.Keys(m)) {
				if strings.EqualFold(other, name) {
					inner = m[other]
				}
			}
		}
		v = inner
	}
	return v
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func words(v any) []string {
	items, _ := v.([]any)
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, text(item))
	}
	return out
}
