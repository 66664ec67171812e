package edit_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// secret is in every entry written, and must be in no trace and no error.
const secret = "kf_live_canary"

// server is an entry as most clients have it.
func server() edit.Object {
	return edit.Object{
		{Name: "type", Value: "http"},
		{Name: "url", Value: "https://x.test/mcp"},
		{Name: "headers", Value: edit.Object{{Name: "Authorization", Value: "Bearer " + secret}}},
	}
}

// helper is the same server with a command in place of the header.
func helper() edit.Object {
	return edit.Object{{Name: "url", Value: "https://y.test/mcp"}, {Name: "headersHelper", Value: "keyfob mcp headers"}}
}

func mapped() edit.Place { return edit.Place{Path: []string{"mcp"}} }

// failer is what testing.TB and rapid.T share.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check holds Put and Remove to their promises on one document that has no entry called ours, and says whether Put took it.
func check(t failer, f edit.Format, doc string, at edit.Place) bool {
	t.Helper()
	res, err := edit.Put(f, []byte(doc), at, "ours", server())
	if err != nil {
		checkError(t, doc, err)
		return false
	}
	if !res.Changed {
		t.Fatalf("nothing was added to %q", doc)
	}
	if !res.Added {
		checkUpdate(t, f, string(res.Data), at)
		return true
	}
	trace := reread(t, res.Trace)
	gone := func(what, text string) {
		t.Helper()
		out, found, err := edit.Remove(f, []byte(text), at, "ours", trace)
		if err != nil || !found || string(out) != doc {
			t.Fatalf("%s: Remove gave %v, %v\n%q, and not\n%q\nfrom\n%q", what, found, err, out, doc, text)
		}
	}
	gone("as added", string(res.Data))
	gone("updated", checkUpdate(t, f, string(res.Data), at))

	entries, err := edit.Entries(f, res.Data, at)
	before, errBefore := edit.Entries(f, []byte(doc), at)
	if err != nil || errBefore != nil || len(entries) != len(before)+1 {
		t.Fatalf("%d entries became %d: %v, %v\n%q", len(before), len(entries), err, errBefore, res.Data)
	}
	if _, found, err := edit.Remove(f, res.Data, at, "ours", edit.Trace{}); err != nil || !found {
		t.Fatalf("without a trace: %v, %v\n%q", found, err, res.Data)
	}
	return true
}

// checkUpdate puts onto an entry that is there, and gives the text after.
func checkUpdate(t failer, f edit.Format, text string, at edit.Place) string {
	t.Helper()
	put := func(text string, entry edit.Object, drop ...[]string) string {
		t.Helper()
		res, err := edit.Put(f, []byte(text), at, "ours", entry, drop...)
		if err != nil || res.Added {
			t.Fatalf("update: added %v, %v\n%q", res.Added, err, text)
		}
		if res.Changed != (string(res.Data) != text) {
			t.Fatalf("Changed is %v\n%q\n%q", res.Changed, text, res.Data)
		}
		return string(res.Data)
	}
	if again := put(text, server()); again != text {
		t.Fatalf("a second Put made\n%q of\n%q", again, text)
	}
	// What a user may add.
	more := put(text, edit.Object{
		{Name: "disabled", Value: true},
		{Name: "headers", Value: edit.Object{{Name: "X-Team", Value: "a: \"b\" # c"}}},
		{Name: "list", Value: []any{"a", 1, edit.Object{{Name: "b", Value: false}}}},
	})
	if again := put(more, server()); again != more {
		t.Fatalf("a second Put touched what was added:\n%q\n%q", more, again)
	}
	last := put(more, helper(), []string{"headers", "Authorization"}, []string{"type"}, []string{"no", "such"})
	if strings.Contains(last, secret) {
		t.Fatalf("the header was not dropped\n%q", last)
	}
	return put(put(last, helper(), []string{"headers", "X-Team"}), helper(), []string{"list"}, []string{"disabled"})
}

func checkError(t failer, doc string, err error) {
	t.Helper()
	if _, ok := errors.AsType[*edit.Error](err); !ok {
		t.Fatalf("not an *edit.Error: %v\n%q", err, doc)
	}
	if errors.Is(err, edit.ErrInternal) {
		t.Fatalf("%v\n%q", err, doc)
	}
}

// reread sends a trace through JSON, as a journal does.
func reread(t failer, trace edit.Trace) (back edit.Trace) {
	t.Helper()
	text, err := json.Marshal(trace)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || back != trace {
		t.Fatalf("trace %+v came back as %+v: %v", trace, back, err)
	}
	if len(text) > 1000 || strings.Contains(string(text), "canary") || strings.Contains(string(text), "x.test") {
		t.Fatalf("trace says too much: %s", text)
	}
	return back
}

// place reads a place from words: the path, dotted, and after a colon the key.
func place(s string) edit.Place {
	path, key, _ := strings.Cut(s, ":")
	return edit.Place{Path: strings.Split(path, "."), Key: key}
}

func formats() []edit.Format { return []edit.Format{edit.JSON, edit.JSONC, edit.TOML, edit.YAML} }

func kindName(err error) string {
	for name, kind := range map[string]error{
		"syntax": edit.ErrSyntax, "shape": edit.ErrShape, "encoding": edit.ErrEncoding,
		"too large": edit.ErrTooLarge, "internal": edit.ErrInternal,
	} {
		if errors.Is(err, kind) {
			return name
		}
	}
	return "none"
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// A goldenCase is a file before and after an entry was put.
type goldenCase struct{ name, at, in, want string }

func golden(t *testing.T, f edit.Format, cases []goldenCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res, err := edit.Put(f, []byte(tt.in), place(tt.at), "ours", server())
			if err != nil {
				t.Fatal(err)
			}
			if string(res.Data) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", res.Data, tt.want)
			}
			if !check(t, f, tt.in, place(tt.at)) {
				t.Error("refused")
			}
		})
	}
}
