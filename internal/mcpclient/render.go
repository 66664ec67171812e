package mcpclient

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// snippet writes a document of the format that has the entry at the place and nothing else, for a person to paste.
func snippet(format edit.Format, place edit.Place, name string, entry edit.Object) (string, error) {
	switch format {
	case edit.TOML:
		return tomlSnippet(place, name, entry)
	case edit.YAML:
		return yamlSnippet(place, name, entry)
	default:
		var inner any = obj(name, entry)
		if place.Key != "" {
			inner = []any{append(obj(place.Key, name), entry...)}
		}
		for _, name := range slices.Backward(place.Path) {
			inner = obj(name, inner)
		}
		var b strings.Builder
		err := writeJSON(&b, inner, "")
		return b.String(), err
	}
}

func writeJSON(b *strings.Builder, v any, indent string) error {
	deeper := indent + "  "
	switch v := v.(type) {
	case edit.Object:
		if len(v) == 0 {
			b.WriteString("{}")
			return nil
		}
		for i, f := range v {
			b.WriteString(opening(i, "{") + "\n" + deeper)
			if err := writeScalar(b, f.Name); err != nil {
				return err
			}
			b.WriteString(": ")
			if err := writeJSON(b, f.Value, deeper); err != nil {
				return err
			}
		}
		b.WriteString("\n" + indent + "}")
		return nil
	case []any:
		return writeList(b, v, func(item any) error { return writeJSON(b, item, deeper) })
	default:
		return writeScalar(b, v)
	}
}

func opening(i int, mark string) string {
	if i > 0 {
		return ","
	}
	return mark
}

// writeList writes a list on one line, which suits arguments.
func writeList(b *strings.Builder, items []any, each func(any) error) error {
	b.WriteString("[")
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := each(item); err != nil {
			return err
		}
	}
	b.WriteString("]")
	return nil
}

// writeScalar writes what JSON, TOML and YAML have in common: a JSON string without the escape \/ is a basic string of TOML
// and a double-quoted one of YAML.
func writeScalar(b *strings.Builder, v any) error {
	text, err := compactJSON(v)
	b.WriteString(text)
	return err
}

func tomlSnippet(place edit.Place, name string, entry edit.Object) (string, error) {
	var b strings.Builder
	head := strings.Join(place.Path, ".")
	if place.Key == "" {
		b.WriteString("[" + head + "." + name + "]\n") // a server's name is a bare key
	} else {
		b.WriteString("[[" + head + "]]\n")
		entry = append(obj(place.Key, name), entry...)
	}
	for i, f := range entry {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(tomlKey(f.Name) + " = ")
		if err := writeTOML(&b, f.Value); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func writeTOML(b *strings.Builder, v any) error {
	switch v := v.(type) {
	case edit.Object:
		b.WriteString("{ ")
		for i, f := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(tomlKey(f.Name) + " = ")
			if err := writeTOML(b, f.Value); err != nil {
				return err
			}
		}
		b.WriteString(" }")
		return nil
	case []any:
		return writeList(b, v, func(item any) error { return writeTOML(b, item) })
	default:
		return writeScalar(b, v)
	}
}

func tomlKey(name string) string {
	if name != "" && strings.Trim(name, lower+upper+"_-") == "" {
		return name
	}
	return strconv.Quote(name)
}

func yamlSnippet(place edit.Place, name string, entry edit.Object) (string, error) {
	var b strings.Builder
	indent := ""
	for _, key := range place.Path {
		b.WriteString(indent + key + ":\n")
		indent += "  "
	}
	first := indent + name + ":\n"
	rest := indent + "  "
	if place.Key != "" {
		first, entry = "", append(obj(place.Key, name), entry...)
	}
	b.WriteString(first)
	for i, f := range entry {
		lead := rest
		if place.Key != "" && i == 0 {
			lead = indent + "- "
		}
		if err := writeYAML(&b, lead, rest, f); err != nil {
			return "", err
		}
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func writeYAML(b *strings.Builder, lead, indent string, f edit.Field) error {
	b.WriteString(lead + f.Name + ":")
	switch v := f.Value.(type) {
	case edit.Object:
		b.WriteString("\n")
		for _, inner := range v {
			if err := writeYAML(b, indent+"  ", indent+"  ", inner); err != nil {
				return err
			}
		}
		return nil
	case []any:
		b.WriteString(" ")
		if err := writeList(b, v, func(item any) error { return writeScalar(b, item) }); err != nil {
			return err
		}
	default:
		b.WriteString(" ")
		if err := writeScalar(b, v); err != nil {
			return err
		}
	}
	b.WriteString("\n")
	return nil
}

// Start returns the text of a file made anew, before an entry is in it; empty: it needs nothing else. Only YAML files do.
func (t Target) Start() (string, error) {
	var b strings.Builder
	for _, f := range t.Head {
		if err := writeYAML(&b, "", "", f); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}
