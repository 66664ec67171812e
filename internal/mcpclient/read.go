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
	Argv   []string // of a stdio entry, whatever it runs
}

// Read tells what an entry connects to. ok is false for what is no server's entry.
func (c Client) Read(t Target, e edit.Entry) (found Found, ok bool) {
	entry, isMap := e.Value.(map[string]any)
	if !isMap {
		return Found{}, false
	}
	var command string
	var args []string
	var r reader
	for _, form := range c.allForms() {
		for _, l := range leaves(form) {
			hole, _ := l.value.(string)
			switch {
			case hole == theURL:
				r.url(&found, entry, l.path)
			case hole == theCommand:
				command = cmp.Or(command, text(at(entry, l.path)))
			case hole == theArgs:
				if found := words(at(entry, l.path)); len(found) > 0 {
					args = found
				}
			case hole == theArgv:
				if argv := words(at(entry, l.path)); len(argv) > 0 {
					command, args = argv[0], argv[1:]
				}
			case hole == theHelper:
				if line := text(at(entry, l.path)); line != "" {
					found.Helper = splitLine(line, t.windows)
				}
			case hole == theVar:
				found.EnvVar = cmp.Or(found.EnvVar, text(at(entry, l.path)))
			case l.isHeader() || strings.Contains(hole, theKey):
				r.header(&found, c, entry, l.path)
				if l.isHeader() {
					r.header(&found, c, entry, l.sibling(otherHeader))
				}
			}
		}
	}
	if command != "" {
		found.Argv = append([]string{command}, args...)
		if found.URL == "" {
			r.urlOf(&found, args)
		}
	}
	if found.Key.IsZero() {
		found.Key = keyIn(entry)
	}
	found.Rung = r.rung(found)
	return found, r.remote || command != ""
}

// reader gathers what decides on the rung, and whether the entry is one.
type reader struct{ literal, remote bool }

func (r *reader) rung(f Found) Rung {
	switch {
	case len(f.Helper) > 0:
		return RungHelper
	case f.EnvVar != "":
		return RungEnv
	case isProxy(f.Argv):
		return RungProxy
	case r.literal || !f.Key.IsZero():
		return RungLiteral
	default:
		return ""
	}
}

func (r *reader) url(f *Found, entry map[string]any, path []string) {
	if raw := text(at(entry, path)); raw != "" && !r.remote {
		r.remote = true
		f.URL, f.Key = splitKey(raw, f.Key)
	}
}

// urlOf finds the URL among arguments.
func (r *reader) urlOf(f *Found, args []string) {
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
			arg = value
		}
		if strings.HasPrefix(arg, "http://") || strings.HasPrefix(arg, "https://") {
			f.URL, f.Key = splitKey(arg, f.Key)
			return
		}
	}
}

// header reads the value of a header: a key, a reference to a variable, or another literal.
func (r *reader) header(f *Found, c Client, entry map[string]any, path []string) {
	value := text(at(entry, path))
	if scheme, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "bearer") {
		value = strings.TrimSpace(rest)
	}
	if value == "" {
		return
	}
	if key, err := secret.Parse(secret.Key, value); err == nil {
		f.Key = key
		return
	}
	name, isRef := reference(value)
	switch {
	case isRef && c.expands():
		f.EnvVar = cmp.Or(f.EnvVar, name)
	case !isRef || !c.expands():
		r.literal = true
	}
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

// splitKey takes api_key and userinfo out of a URL. One that can't be parsed, such as https://${HOST}/mcp, is cut before them.
func splitKey(raw string, have secret.Secret) (string, secret.Secret) {
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

// isProxy says that argv is keyfob mcp proxy, wherever keyfob lies.
func isProxy(argv []string) bool {
	if len(argv) < 3 {
		return false
	}
	program := path.Base(strings.ReplaceAll(argv[0], `\`, "/"))
	i := slices.Index(argv, "mcp")
	return strings.TrimSuffix(strings.ToLower(program), ".exe") == "keyfob" && i > 0 && i+1 < len(argv) && argv[i+1] == "proxy"
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
