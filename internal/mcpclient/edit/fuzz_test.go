package edit_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/tailscale/hujson"
	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// The parsers of others, which must read what we wrote.

func readsJSON(text []byte) error {
	v, err := hujson.Parse(text)
	if err == nil && !v.IsStandard() {
		err = errors.New("not standard JSON")
	}
	return err
}

func readsJSONC(text []byte) error {
	_, err := hujson.Parse(append(bytes.Clone(text), '\n')) // it wants a line end behind a comment
	return err
}

func readsTOML(text []byte) error {
	p := unstable.Parser{}
	p.Reset(text)
	for p.NextExpression() {
	}
	return p.Error()
}

func readsYAML(text []byte) error {
	var n yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&n)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func FuzzJSON(f *testing.F)  { fuzz(f, edit.JSON, readsJSON) }
func FuzzJSONC(f *testing.F) { fuzz(f, edit.JSONC, readsJSONC) }
func FuzzTOML(f *testing.F)  { fuzz(f, edit.TOML, readsTOML) }
func FuzzYAML(f *testing.F)  { fuzz(f, edit.YAML, readsYAML) }

func fuzz(f *testing.F, format edit.Format, reads func([]byte) error) {
	f.Helper()
	for _, doc := range seeds(format) {
		f.Add(doc, false)
		f.Add(doc, true)
	}
	f.Fuzz(func(t *testing.T, doc string, list bool) {
		at := mapped()
		if list {
			at.Key = "name"
		}
		entries, err := edit.Entries(format, []byte(doc), at)
		if err != nil {
			refused(t, doc, err)
		}
		for _, e := range entries {
			if e.Name == "ours" {
				return // check is for documents without it
			}
		}
		res, err := edit.Put(format, []byte(doc), at, "ours", server())
		if err != nil {
			refused(t, doc, err)
			return
		}
		if err := reads(bytes.TrimPrefix(res.Data, []byte("\ufeff"))); err != nil {
			t.Fatalf("%v\n%q", err, res.Data)
		}
		out, found, err := edit.Remove(format, res.Data, at, "ours", res.Trace)
		if err != nil || !found || string(out) != doc {
			t.Fatalf("Remove gave %v, %v\n%q and not\n%q", found, err, out, doc)
		}
		again, err := edit.Put(format, res.Data, at, "ours", server())
		if err != nil || again.Changed {
			t.Fatalf("again: changed %v, %v\n%q", again.Changed, err, res.Data)
		}
		last, err := edit.Put(format, res.Data, at, "ours", helper(), []string{"headers", "Authorization"})
		if err != nil {
			t.Fatalf("update: %v\n%q", err, res.Data)
		}
		if out, _, err = edit.Remove(format, last.Data, at, "ours", res.Trace); err != nil || string(out) != doc {
			t.Fatalf("Remove gave %v\n%q and not\n%q", err, out, doc)
		}
	})
}

// refused takes any refusal but that of a parser's panic.
func refused(t *testing.T, doc string, err error) {
	t.Helper()
	var e *edit.Error
	if !errors.As(err, &e) {
		t.Fatalf("not an *edit.Error: %v\n%q", err, doc)
	}
	if strings.Contains(e.Reason, "upsets the parser") {
		t.Fatalf("panic on %q", doc)
	}
}
