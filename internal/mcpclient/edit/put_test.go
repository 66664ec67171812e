package edit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

func TestEntries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, at, doc string
		f             edit.Format
		want          []edit.Entry
	}{
		{"none", "mcp", "", edit.JSON, nil},
		{"no place", "mcp", `{"a": 1}`, edit.JSON, nil},
		{"no place in TOML", "mcp", "a = 1\n", edit.TOML, nil},
		{"no place in YAML", "mcp", "a: 1\n", edit.YAML, nil},
		{"empty place in YAML", "mcp", "mcp:\n", edit.YAML, nil},
		{"all kinds", "mcp", "{\"mcp\": {\n\"a\": {\"s\": \"\\u00e9\", \"b\": true, \"i\": -1, \"f\": 1.5, \"n\": null, \"l\": [1], \"o\": {}},\n\"b\": null}}", edit.JSON, []edit.Entry{
			{Name: "a", Line: 2, Value: map[string]any{
				"s": "é", "b": true, "i": int64(-1), "f": 1.5, "n": nil, "l": []any{int64(1)}, "o": map[string]any{},
			}},
			{Name: "b", Line: 3},
		}},
		{"spread over TOML", "mcp", "[mcp.b]\nu = 0x10\n[mcp.'a.b']\nf = 1_0.5\n[z]\n[mcp.b.h]\nk = '''x'''\n", edit.TOML, []edit.Entry{
			{Name: "b", Line: 1, Value: map[string]any{"u": int64(16), "h": map[string]any{"k": "x"}}},
			{Name: "a.b", Line: 3, Value: map[string]any{"f": 10.5}},
		}},
		{"TOML list", "mcp:name", "[[mcp]]\nname = \"a\"\n[mcp.h]\nk = 1\n[[mcp]]\nname = 'b'\nd = 1979-05-27\n", edit.TOML, []edit.Entry{
			{Name: "a", Line: 1, Value: map[string]any{"name": "a", "h": map[string]any{"k": int64(1)}}},
			{Name: "b", Line: 5, Value: map[string]any{"name": "b", "d": "1979-05-27"}},
		}},
		{"YAML with merge key and alias", "mcp", "d: &d {t: 1, u: x}\nmcp:\n  a:\n    <<: *d\n    u: y\n  b: *d\n", edit.YAML, []edit.Entry{
			{Name: "a", Line: 3, Value: map[string]any{"t": int64(1), "u": "y"}},
			{Name: "b", Line: 6, Value: map[string]any{"t": int64(1), "u": "x"}},
		}},
		{"YAML list", "mcp:name", "mcp:\n- name: a\n- url: u\n", edit.YAML, []edit.Entry{
			{Name: "a", Line: 2, Value: map[string]any{"name": "a"}},
			{Line: 3, Value: map[string]any{"url": "u"}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := edit.Entries(tt.f, []byte(tt.doc), place(tt.at))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRemoveAfterTouch edits the file by hand between Put and Remove, right beside the entry.
func TestRemoveAfterTouch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		f        edit.Format
		at, doc  string
		old, new string // what the user replaces
		want     string
	}{
		{"comment ahead in a new object", edit.JSONC, "mcp", "{}", "    \"ours\"", "    // mine\n    \"ours\"", "{\n  \"mcp\": {\n    // mine\n  }\n}"},
		{"member ahead", edit.JSON, "mcp", "{\n  \"mcp\": {}\n}\n", "    \"ours\"", "    \"a\": 1,\n    \"ours\"", "{\n  \"mcp\": {\n    \"a\": 1\n  }\n}\n"},
		{"member behind", edit.JSON, "mcp", "{\n  \"mcp\": {\n    \"a\": 1\n  }\n}\n", "\n    }\n  }", "\n    },\n    \"b\": 2\n  }", "{\n  \"mcp\": {\n    \"a\": 1,\n    \"b\": 2\n  }\n}\n"},
		{"minified", edit.JSON, "mcp", "{\n  \"a\": 1\n}\n", ",\n  \"mcp\": {\n    ", ",\"mcp\":{", "{\n  \"a\": 1\n}\n"},
		{"sibling of a new object", edit.JSON, "mcp", "{}", "\n  }\n}", "\n  },\n  \"z\": 1\n}", "{\n  \"z\": 1\n}"},
		{"final newline added", edit.TOML, "mcp", "a = 1", "canary\" }", "canary\" }\n", "a = 1\n"},
		{"table behind", edit.TOML, "mcp", "a = 1", "canary\" }", "canary\" }\n\n[z]\n", "a = 1\n\n[z]\n"},
		{"blank line ahead gone", edit.TOML, "mcp", "a = 1\n", "\n\n[mcp", "\n[mcp", "a = 1\n"},
		{"key behind", edit.YAML, "mcp", "mcp: {}\n", "canary\"\n", "canary\"\n  b: 1\n", "mcp:\n  b: 1\n"},
		{"comment ahead", edit.YAML, "mcp", "mcp:\n  a: 1\n", "  ours:", "  # mine\n  ours:", "mcp:\n  a: 1\n  # mine\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res, err := edit.Put(tt.f, []byte(tt.doc), place(tt.at), "ours", server())
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(res.Data), tt.old, tt.new, 1)
			if text == string(res.Data) {
				t.Fatalf("%q is not in %q", tt.old, text)
			}
			out, found, err := edit.Remove(tt.f, []byte(text), place(tt.at), "ours", res.Trace)
			if err != nil || !found || string(out) != tt.want {
				t.Errorf("%v, %v\n%q, not\n%q\nfrom\n%q", found, err, out, tt.want, text)
			}
		})
	}
}

func TestRemoveWithoutTrace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, at  string
		f         edit.Format
		doc, want string
	}{
		{"only one", "mcp", edit.JSON, `{"mcp": {"ours": 1}}`, `{"mcp": {}}`},
		{"first", "mcp", edit.JSON, `{"mcp": {"ours": 1, "b": 2}}`, `{"mcp": {"b": 2}}`},
		{"middle", "mcp", edit.JSON, "{\"mcp\": {\n\"a\": 0,\n\"ours\": 1,\n\"b\": 2}}", "{\"mcp\": {\n\"a\": 0,\n\"b\": 2}}"},
		{"last before a comment", "mcp", edit.JSONC, "{\"mcp\": {\n\"a\": 0, // c\n\"ours\": 1}}", "{\"mcp\": {\n\"a\": 0 // c\n}}"},
		{"tables apart", "mcp", edit.TOML, "[mcp.ours]\na = 1\n\n[z]\n\n[mcp.ours.b]\nc = 1\n\n[y]\n", "\n[z]\n\n[y]\n"},
		{"element", "mcp:name", edit.YAML, "mcp:\n- name: a\n\n- name: ours\n  x:\n  - 1\n\n- name: b\n", "mcp:\n- name: a\n\n- name: b\n"},
		{"blank line of a value", "mcp", edit.YAML, "mcp:\n  a: |+\n    x\n\n  ours: 1\n", "mcp:\n  a: |+\n    x\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, found, err := edit.Remove(tt.f, []byte(tt.doc), place(tt.at), "ours", edit.Trace{})
			if err != nil || !found || string(out) != tt.want {
				t.Errorf("%v, %v\n%q, not\n%q", found, err, out, tt.want)
			}
			if out, found, err = edit.Remove(tt.f, []byte(tt.want), place(tt.at), "ours", edit.Trace{}); err != nil || found || string(out) != tt.want {
				t.Errorf("again: %v, %v, %q", found, err, out)
			}
		})
	}
}

func TestPutArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		f     edit.Format
		at    edit.Place
		entry edit.Object
		ours  string
		kind  string
	}{
		{"format", "ini", mapped(), nil, "ours", "shape"},
		{"no place", edit.JSON, edit.Place{}, nil, "ours", "shape"},
		{"name", edit.JSON, mapped(), nil, "\xff", "encoding"},
		{"value", edit.JSON, mapped(), edit.Object{{Name: "a", Value: "\xff"}}, "ours", "encoding"},
		{"type", edit.JSON, mapped(), edit.Object{{Name: "a", Value: 1.5}}, "ours", "shape"},
		{"twice", edit.JSON, mapped(), edit.Object{{Name: "a", Value: 1}, {Name: "a", Value: 2}}, "ours", "shape"},
		{"other name", edit.YAML, place("mcp:name"), edit.Object{{Name: "name", Value: "x"}}, "ours", "shape"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := edit.Put(tt.f, nil, tt.at, tt.ours, tt.entry); kindName(err) != tt.kind {
				t.Errorf("%s: %v", kindName(err), err)
			}
		})
	}
}

// TestStrings puts strings that each format could misread, as names and as values.
func TestStrings(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", " ", "a b", "true", "No", "null", "~", "1", "1e3", "0x1", "1979-05-27", "a: b", "a #b", "- a", "[a]", "{a}", "*a", "&a", "!a", "|", "'", `"`, `\`, `\u0041`,
		"a\nb", "\t", "\r", "\x01", "\x7f", "\u0085", "\u2028", "\ufeff", "é", "😀", "<&>", "a.b", "%", "@", "`", "=", "<<", "?", "...", "---", "${VAR}", "y", ".inf",
	} {
		for _, f := range formats() {
			for _, doc := range []string{"", map[edit.Format]string{edit.TOML: "mcp = {}", edit.YAML: "mcp: {a: 1}"}[f]} {
				entry := edit.Object{{Name: "v", Value: s}, {Name: s + "k", Value: []any{s, edit.Object{{Name: s, Value: s}}}}}
				res, err := edit.Put(f, []byte(doc), mapped(), s+"n", entry)
				if err != nil {
					t.Errorf("%s %q: %v", f, s, err)
					continue
				}
				again, err := edit.Put(f, res.Data, mapped(), s+"n", entry)
				if err != nil || again.Changed {
					t.Errorf("%s %q: again changed %v, %v\n%s", f, s, again.Changed, err, res.Data)
				}
				out, _, err := edit.Remove(f, res.Data, mapped(), s+"n", res.Trace)
				if err != nil || string(out) != doc {
					t.Errorf("%s %q: %v, %q", f, s, err, out)
				}
			}
		}
	}
}
