package edit_test

import (
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// exhibit is a file that has broken one editor or another, as each format writes it. What is refused has the kind, the line
// and the column; the rest must come back byte for byte.
type exhibit struct {
	name   string
	at     string // a place; "": mcp
	doc    string
	kind   string // of the refusal; "": taken
	line   int
	column int
}

// zoo holds what goes for one format each.
func zoo() map[edit.Format][]exhibit {
	jsonc := []exhibit{
		{name: "comments", doc: "// a\n{\n  /* b */ \"x\": 1, // c\n  \"mcp\": {\n    // d\n    \"a\": {} // e\n    // f\n  } // g\n}\n// h"},
		{name: "trailing commas", doc: "{\n  \"mcp\": {\n    \"a\": {\"url\": \"u\",},\n  },\n}\n"},
		{name: "only a comment", doc: "// nothing yet"},
		{name: "comment with a bracket", doc: "{ /* } */ }"},
		{name: "commented-out servers", doc: "{\n  // \"mcp\": {\"ours\": {}},\n  \"mcp\": {\n    // \"ours\": {}\n  }\n}"},
		{name: "open comment", doc: "{}\n/* x", kind: "syntax", line: 2, column: 1},
		{name: "comment ended by CR alone", doc: "{} // a\rb\n", kind: "syntax", line: 1, column: 8},
	}
	both := []exhibit{
		{name: "nothing", doc: ""},
		{name: "blank", doc: " \r\n\t"},
		{name: "much blank", doc: repeat("\n", 500)},
		{name: "empty object", doc: "{}"},
		{name: "much blank within", doc: "{\n  \"mcp\": {" + repeat(" ", 500) + "}\n}"},
		{name: "big integers", doc: "{\n  \"n\": 12345678901234567890,\n  \"f\": 1.0e+5,\n  \"mcp\": {}\n}\n"},
		{name: "BOM", doc: "\ufeff{\n  \"mcp\": {}\n}\n"},
		{name: "CRLF and tabs", doc: "{\r\n\t\"mcp\": {\r\n\t\t\"a\": {}\r\n\t}\r\n}\r\n"},
		{name: "one line", doc: `{"a":1,"mcp":{"x":{"url":"u"}}}`},
		{name: "single-line siblings", doc: "{\n  \"mcp\": {\n    \"a\": { \"url\": \"u\" }\n  }\n}"},
		{name: "escaped key", doc: `{"m\u0063p": {}}`},
		{name: "escapes", doc: `{"a": "\ud83d\ude00 \/ \"}{", "mcp": {}}`},
		{name: "null sibling", doc: `{"mcp": {"a": null}}`},
		{name: "deep place", at: "a.b.c", doc: "{\n    \"a\": {\n        \"x\": 1\n    }\n}\n"},
		{name: "list", at: "mcp:name", doc: "{\n  \"mcp\": [\n    {\n      \"name\": \"a\"\n    }\n  ]\n}"},
		{name: "empty list", at: "mcp:name", doc: `{"mcp": []}`},
		{name: "duplicates elsewhere", doc: `{"z": 1, "z": 2, "mcp": {"a": 1, "a": 2}}`},
		{name: "truncated", doc: "{\n  \"mcp\": {\n    \"a\": {", kind: "syntax", line: 3, column: 11},
		{name: "truncated string", doc: "{\n  \"mcp\": \"abc", kind: "syntax", line: 2, column: 10},
		{name: "two documents", doc: "{}\n{}", kind: "syntax", line: 2, column: 1},
		{name: "array", doc: "{\n  \"mcp\": []\n}", kind: "shape", line: 2, column: 10},
		{name: "null", doc: `{"mcp": null}`, kind: "shape", line: 1, column: 9},
		{name: "string", doc: `{"mcp": "kf_live_canary"}`, kind: "shape", line: 1, column: 9},
		{name: "number", doc: `{"mcp": 1}`, kind: "shape", line: 1, column: 9},
		{name: "not an object", doc: "[]", kind: "shape", line: 1, column: 1},
		{name: "object where a list belongs", at: "mcp:name", doc: `{"mcp": {}}`, kind: "shape", line: 1, column: 9},
		{name: "duplicate place", doc: "{\n  \"mcp\": {},\n  \"mcp\": {}\n}", kind: "shape", line: 3, column: 3},
		{name: "duplicate entry", doc: "{\"mcp\": {\n\"ours\": {},\n\"ours\": {}\n}}", kind: "shape", line: 3, column: 1},
		{name: "entry is a string", doc: `{"mcp": {"ours": "x"}}`, kind: "shape", line: 1, column: 18},
		{name: "duplicate field", doc: "{\"mcp\": {\"ours\": {\n\"url\": 1,\n\"url\": 2}}}", kind: "shape", line: 3, column: 1},
		{name: "bad literal", doc: `{"a": kf_live_canary}`, kind: "syntax", line: 1, column: 7},
		{name: "bad number", doc: `{"a": 01}`, kind: "syntax", line: 1, column: 7},
		{name: "bad escape", doc: `{"a": "kf_live_canary\x"}`, kind: "syntax", line: 1, column: 23},
		{name: "line break in a string", doc: "{\"a\": \"kf_live_canary\n\"}", kind: "syntax", line: 1, column: 22},
		{name: "single quotes", doc: `{'a': 1}`, kind: "syntax", line: 1, column: 2},
		{name: "depth bomb", doc: repeat("[", 1_000_000), kind: "too large", line: 1, column: 1002},
		{name: "depth bomb of objects", doc: repeat(`{"mcp":`, 100_000), kind: "shape", line: 1, column: 9},
	}
	both[len(both)-1].kind, both[len(both)-1].column = "too large", 7*1001+1
	strict := []exhibit{
		{name: "a comment", doc: "{\n  // x\n}", kind: "syntax", line: 2, column: 3},
		{name: "a comment alone", doc: "/* x */", kind: "syntax", line: 1, column: 1},
		{name: "a trailing comma", doc: "{\"a\": 1,}", kind: "syntax", line: 1, column: 9},
	}
	return map[edit.Format][]exhibit{
		edit.JSON:  append(append(encodings("{", "}"), both...), strict...),
		edit.JSONC: append(append(encodings("{", "}"), both...), jsonc...),
		edit.TOML:  append(encodings("a = 1\n", ""), zooTOML()...),
		edit.YAML:  append(encodings("a: 1\n", ""), zooYAML()...),
	}
}

// encodings goes for all formats.
func encodings(head, tail string) []exhibit {
	return []exhibit{
		{name: "UTF-16 with BOM", doc: "\xff\xfe{\x00}\x00", kind: "encoding"},
		{name: "UTF-16 big endian", doc: "\xfe\xff\x00{\x00}", kind: "encoding"},
		{name: "UTF-16 without BOM", doc: "{\x00}\x00", kind: "encoding"},
		{name: "NUL", doc: head + "\n\x00" + tail, kind: "encoding", line: lineCount(head) + 1, column: 1},
		{name: "Latin-1", doc: head + "\n\"\xe9\"" + tail, kind: "encoding", line: lineCount(head) + 1, column: 2},
		{name: "too large", doc: head + repeat(" ", 10<<20) + tail, kind: "too large"},
	}
}

func lineCount(s string) int {
	n := 1
	for _, r := range s {
		if r == '\n' {
			n++
		}
	}
	return n
}

func zooTOML() []exhibit {
	return []exhibit{
		{name: "nothing", doc: ""},
		{name: "blank", doc: "\n\n"},
		{name: "only a comment", doc: "# nothing yet"},
		{name: "BOM", doc: "\ufeffa = 1\n"},
		{name: "CRLF", doc: "a = 1\r\n\r\n[mcp.a]\r\nb = 2\r\n"},
		{name: "no final newline", doc: "[mcp.a]\nb = 2"},
		{name: "comments, dates, integers", doc: "# a\nd = 1979-05-27T07:32:00Z # b\nn = 99999999999999999999\nt = { x = 1, y = [ 1, 2 ] }\n# c\n"},
		{name: "header in a string", doc: "a = \"\"\"\n[mcp.ours]\nurl = 'x'\n\"\"\"\nb = '''\n[mcp]\n'''\n"},
		{name: "quotes before the closing ones", doc: "mcp = { a = \"\"\"x\"\"\"\"\", b = '''y'''', c = \"\\\\\" }\n"},
		{name: "commented-out table", doc: "# [mcp.ours]\n# url = \"x\"\n"},
		{name: "spaced header", doc: "[ mcp . \"a b\" ] # c\nx = 1\n"},
		{name: "header, tables, sub-tables apart", doc: "[mcp]\n\n[mcp.a]\nx = 1\n\n[z]\ny = 2\n\n[mcp.a.http_headers]\nk = \"v\"\n"},
		{name: "inline", doc: "mcp = { a = { url = \"u\" } } # c\nz = 1\n"},
		{name: "empty inline", doc: "mcp={}"},
		{name: "dotted", doc: "mcp.a.url = \"u\"\nmcp.\"b c\".url = \"v\"\n"},
		{name: "dotted in a table", doc: "[mcp]\na.url = \"u\"\n"},
		{name: "deep place", at: "a.b.c", doc: "[a]\nx = 1\n[a.b.c.d]\ny = 1\n"},
		{name: "deep inline", at: "a.b.c", doc: "a = { b = { x = 1 } }\n"},
		{name: "list", at: "mcp:name", doc: "[[mcp]]\nname = \"a\"\n[mcp.headers]\nx = \"y\"\n\n[z]\n"},
		{name: "empty array", at: "mcp:name", doc: "mcp = []\n"},
		{name: "array", at: "mcp:name", doc: "mcp = [\n  { name = \"a\" }, # c\n]\n"},
		{name: "broken", doc: "a = 1\nb = \"kf_live_canary\n", kind: "syntax", line: 2, column: 20},
		{name: "truncated table", doc: "[mcp", kind: "syntax", line: 1, column: 4},
		{name: "no value", doc: "a =\n", kind: "syntax", line: 1, column: 4},
		{name: "duplicate key", doc: "a = 1\na = 2\n", kind: "shape", line: 2, column: 1},
		{name: "duplicate table", doc: "[mcp.ours]\n\n[mcp.ours]\n", kind: "shape", line: 3, column: 1},
		{name: "duplicate inline", doc: "x = { a = 1, a = 2 }", kind: "shape", line: 1, column: 14},
		{name: "table over dotted key", doc: "[mcp]\na.b = 1\n[mcp.a]\n", kind: "shape", line: 3, column: 1},
		{name: "array where a table belongs", doc: "z = 1\nmcp = []\n", kind: "shape", line: 2, column: 7},
		{name: "array of tables where a table belongs", doc: "[[mcp]]\n", kind: "shape", line: 1, column: 1},
		{name: "string where a table belongs", doc: "mcp = \"kf_live_canary\"\n", kind: "shape", line: 1, column: 7},
		{name: "table where a list belongs", at: "mcp:name", doc: "[mcp]\na = 1\n", kind: "shape", line: 1, column: 1},
		{name: "duplicate list entry", at: "mcp:name", doc: "[[mcp]]\nname = 'ours'\n[[mcp]]\nname = \"ours\"\n", kind: "shape", line: 3, column: 1},
		{name: "entry is a string", doc: "[mcp]\nours = 'x'\n", kind: "shape", line: 2, column: 8},
		{name: "entry is a list", doc: "[[mcp.ours]]\n", kind: "shape", line: 1, column: 1},
		{name: "depth bomb", doc: "a = " + repeat("[", 1_000_000), kind: "too large", line: 1, column: 10005},
	}
}

func zooYAML() []exhibit {
	return []exhibit{
		{name: "nothing", doc: ""},
		{name: "blank", doc: "\n\n"},
		{name: "only a comment", doc: "# nothing yet"},
		{name: "document start", doc: "%YAML 1.1\n---\n"},
		{name: "document end", doc: "---\n# c\n...\n"},
		{name: "BOM", doc: "\ufeffa: 1\n"},
		{name: "CRLF", doc: "a: 1\r\nmcp:\r\n    x:\r\n        y: 1\r\n"},
		{name: "no final newline", doc: "mcp:\n  a:\n    b: 2"},
		{name: "comments", doc: "# a\nmcp: # b\n  # c\n  x: # d\n    y: 1 # e\n  # f\n\n# g\nz: 1\n"},
		{name: "null", doc: "mcp:\nz: 1\n"},
		{name: "written null", doc: "mcp: null\nz: 1\n"},
		{name: "anchors and merge keys", doc: "base: &b\n  t: 1\nmcp:\n  a:\n    <<: *b\n    u: 2\n"},
		{name: "merge into the servers", doc: "base: &b {a: {t: 1}}\nmcp:\n  <<: *b\n"},
		{name: "own anchor", doc: "mcp: &m\n  a: &n {t: 1}\n"},
		{name: "flow", doc: "mcp: {a: {url: \"u\", 'k': [1, 'it''s']}, b: {}} # c\n"},
		{name: "empty flow", doc: "mcp: {}\n"},
		{name: "flow of several lines", doc: "mcp: {\n  a: {x: 1}, # c\n  b: {x: 2}\n  }\n"},
		{name: "JSON", doc: "{\n  \"mcp\": {\n    \"a\": {}\n  }\n}\n"},
		{name: "big integers", doc: "n: 12345678901234567890\no: 0o17\nmcp:\n  a: 1e3\n"},
		{name: "block scalars", doc: "mcp:\n  a:\n    k: |\n      ours:\n      # no comment\n\n    l: >-\n      x\n\n      y\n\n\nz: 1\n"},
		{name: "kept line ends", doc: "mcp:\n  a: |+\n    x\n\n\n# c\nz: 1\n"},
		{name: "strings over several lines", doc: "mcp:\n  a: \"x\n   # no\n    y\"\n  b: plain\n    words\n"},
		{name: "line separators", doc: "a: \"x\u2028y\u0085z\"\nmcp:\n  b: 1\n"},
		{name: "list not indented", at: "mcp:name", doc: "mcp:\n- name: a\n  url: u\nz: 1\n"},
		{name: "list indented", at: "mcp:name", doc: "mcp:\n    - name: a\n      url: u\n    -\n      name: b\n"},
		{name: "empty list", at: "mcp:name", doc: "mcp: []\n"},
		{name: "flow list", at: "mcp:name", doc: "mcp: [{name: a}]\n"},
		{name: "deep place", at: "a.b.c", doc: "a:\n    x: 1\nz: 2\n"},
		{name: "explicit key", doc: "? mcp\n: a: 1\n"},
		{name: "broken", doc: "a: 1\nb: [kf_live_canary\nc: 2\n", kind: "syntax", line: 2},
		{name: "unknown alias", doc: "a: *kf_live_canary\n", kind: "syntax"},
		{name: "tab", doc: "a:\n\tb: 1\n", kind: "syntax", line: 2},
		{name: "two documents", doc: "a: 1\n---\nb: 2\n", kind: "shape", line: 2},
		{name: "array", doc: "mcp:\n  - a\n", kind: "shape", line: 2, column: 3},
		{name: "string", doc: "mcp: kf_live_canary\n", kind: "shape", line: 1, column: 6},
		{name: "not a mapping", doc: "- a\n", kind: "shape", line: 1, column: 1},
		{name: "a word", doc: "kf_live_canary\n", kind: "shape", line: 1, column: 1},
		{name: "mapping where a list belongs", at: "mcp:name", doc: "mcp:\n  a: 1\n", kind: "shape", line: 2, column: 3},
		{name: "duplicate place", doc: "mcp: {}\nmcp: {}\n", kind: "shape", line: 2, column: 1},
		{name: "duplicate entry", doc: "mcp:\n  ours: {}\n  ours: {}\n", kind: "shape", line: 3, column: 3},
		{name: "duplicate list entry", at: "mcp:name", doc: "mcp:\n- name: ours\n- name: ours\n", kind: "shape", line: 3, column: 3},
		{name: "the place is an alias", doc: "x: &x\n  a: 1\nmcp: *x\n", kind: "shape", line: 3, column: 6},
		{name: "the place is used elsewhere", doc: "mcp: &x\n  a: 1\ny: *x\n", kind: "shape", line: 1, column: 6},
		{name: "the entry is an alias", doc: "x: &x {a: 1}\nmcp:\n  ours: *x\n", kind: "shape", line: 3, column: 9},
		{name: "the entry is used elsewhere", doc: "mcp:\n  ours: &x\n    a: 1\n  b: *x\n", kind: "shape", line: 2, column: 9},
		{name: "something in the entry is used elsewhere", doc: "mcp:\n  ours:\n    url: &x u\n  b: *x\n", kind: "shape", line: 3, column: 10},
		{name: "depth bomb", doc: repeat("[", 1_000_000), kind: "syntax"},
		{name: "depth bomb of lists", doc: repeat("- ", 1_000_000), kind: "syntax"},
	}
}

func seeds(f edit.Format) []string {
	var docs []string
	for _, x := range zoo()[f] {
		if len(x.doc) < 10_000 {
			docs = append(docs, x.doc)
		}
	}
	return docs
}

func TestZoo(t *testing.T) {
	t.Parallel()
	for f, exhibits := range zoo() {
		for _, x := range exhibits {
			t.Run(string(f)+" "+x.name, func(t *testing.T) {
				t.Parallel()
				at := mapped()
				if x.at != "" {
					at = place(x.at)
				}
				if x.kind == "" {
					if !check(t, f, x.doc, at) {
						_, err := edit.Put(f, []byte(x.doc), at, "ours", server())
						t.Fatalf("refused: %v\n%q", err, x.doc)
					}
					return
				}
				checkRefusal(t, f, at, x)
			})
		}
	}
}
