package edit_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

func TestProperty(t *testing.T) {
	t.Parallel()
	list := edit.Place{Path: []string{"mcp"}, Key: "name"}
	for _, tt := range []struct {
		name string
		f    edit.Format
		at   edit.Place
		gen  func(g *gen) string
		hash string // begins a comment
	}{
		{"json", edit.JSON, mapped(), func(g *gen) string { return g.json(false) }, ""},
		{"jsonc", edit.JSONC, mapped(), func(g *gen) string { return g.json(true) }, "//"},
		{"toml", edit.TOML, mapped(), func(g *gen) string { return g.toml(false) }, "#"},
		{"toml list", edit.TOML, list, func(g *gen) string { return g.toml(true) }, "#"},
		{"yaml", edit.YAML, mapped(), func(g *gen) string { return g.yaml(false) }, "#"},
		{"yaml list", edit.YAML, list, func(g *gen) string { return g.yaml(true) }, "#"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			taken, all := 0, 0
			rapid.Check(t, func(rt *rapid.T) {
				g := newGen(rt)
				doc := tt.gen(g)
				if g.chance(10) {
					doc = "\ufeff" + doc
				}
				all++
				if !check(rt, tt.f, doc, tt.at) {
					return
				}
				taken++
				checkElsewhere(rt, tt.f, doc, tt.at, tt.hash, g.nl)
			})
			if taken < all*3/4 {
				t.Errorf("only %d of %d documents were taken", taken, all)
			}
			t.Logf("%d of %d documents taken", taken, all)
		})
	}
}

// checkElsewhere edits the file outside of the entry between Put and Remove.
func checkElsewhere(t failer, f edit.Format, doc string, at edit.Place, hash, nl string) {
	t.Helper()
	res, err := edit.Put(f, []byte(doc), at, "ours", server())
	if err != nil {
		t.Fatalf("%v", err)
	}
	if hash != "" && !strings.HasPrefix(doc, "\ufeff") && strings.TrimSpace(doc) != "" {
		top := hash + " by the user" + nl
		out, found, err := edit.Remove(f, []byte(top+string(res.Data)), at, "ours", res.Trace)
		if err != nil || !found || string(out) != top+doc {
			t.Fatalf("after an edit above: %v, %v\n%q\nand not\n%q", found, err, out, top+doc)
		}
	}
	other, err := edit.Put(f, res.Data, at, "other", helper())
	if err != nil {
		t.Fatalf("another entry: %v\n%q", err, res.Data)
	}
	// Remove compares all else itself.
	left, found, err := edit.Remove(f, other.Data, at, "ours", res.Trace)
	if err != nil || !found {
		t.Fatalf("with another entry behind: %v, %v\n%q", found, err, other.Data)
	}
	if strings.Contains(string(left), "x.test") || !strings.Contains(string(left), "y.test") {
		t.Fatalf("the wrong entry went\n%q", left)
	}
	if _, found, err = edit.Remove(f, left, at, "other", edit.Trace{}); err != nil || !found {
		t.Fatalf("the other entry: %v, %v\n%q", found, err, left)
	}
	// The other one first: both traces hold, and the bytes come back.
	first, found, err := edit.Remove(f, other.Data, at, "other", other.Trace)
	if err != nil || !found || !bytes.Equal(first, res.Data) {
		t.Fatalf("last in, first out: %v, %v\n%q\nand not\n%q", found, err, first, res.Data)
	}
}
