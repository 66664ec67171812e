package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/config"
)

// TestSetOption changes files of every layout and looks at each byte.
func TestSetOption(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ before, option, value, after string }{
		"no file":         {"", "output", "json", "output: json\n"},
		"only comments":   {"# mine\n", "output", "json", "# mine\noutput: json\n"},
		"no final end":    {"no_input: true", "output", "json", "no_input: true\noutput: json\n"},
		"changed":         {"output: table\nno_input: true\n", "output", "yaml", "output: yaml\nno_input: true\n"},
		"comment kept":    {"output:  table   # as I like it\n", "output", "yaml", "output:  yaml   # as I like it\n"},
		"quoted":          {"\"output\": 'table' # '\n", "output", "yaml", "\"output\": yaml # '\n"},
		"double quoted":   {"output: \"table\"\n", "output", "json", "output: json\n"},
		"CRLF":            {"no_input: true\r\noutput: table\r\n", "output", "json", "no_input: true\r\noutput: json\r\n"},
		"CRLF added":      {"no_input: true\r\n", "output", "json", "no_input: true\r\noutput: json\r\n"},
		"the same":        {"output: json\n", "output", "json", "output: json\n"},
		"boolean":         {"no_input: false\n", "no_input", "true", "no_input: true\n"},
		"a context":       {"context: a # ü\n", "context", "my.prod", "context: my.prod # ü\n"},
		"number-like":     {"", "context", "1e3", "context: \"1e3\"\n"},
		"document marks":  {"---\noutput: table\n", "output", "json", "---\noutput: json\n"},
		"no value":        {"output:\nno_input: true\n", "output", "json", "refused"},
		"anchor":          {"output: &x table\ncontext: *x\n", "output", "json", "refused"},
		"flow":            {"{output: table}\n", "output", "json", "refused"},
		"folded":          {"output: >\n  table\n", "output", "json", "refused"},
		"twice":           {"output: table\noutput: json\n", "output", "json", "refused"},
		"two documents":   {"output: table\n---\noutput: json\n", "output", "json", "refused"},
		"a list":          {"- output\n", "output", "json", "refused"},
		"broken":          {"output: [\n", "output", "json", "refused"},
		"ended document":  {"output: table\n...\n", "no_input", "true", "refused"},
		"unknown option":  {"", "ouput", "json", "refused"},
		"an org":          {"", "org", "acme", "refused"},
		"a URL":           {"", "url", "https://x.example", "refused"},
		"a token":         {"", "token", "kfs_x", "refused"},
		"no such format":  {"", "output", "xml", "refused"},
		"no boolean":      {"", "no_input", "maybe", "refused"},
		"no context name": {"", "context", "../x", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.before != "" {
				w.file(tt.before)
			}
			err := config.SetOption(w.dir, tt.option, tt.value)
			got, _ := os.ReadFile(filepath.Join(w.dir, "config.yaml"))
			if tt.after == "refused" {
				var bad *config.Error
				if !errors.As(err, &bad) || bad.Hint == "" || string(got) != tt.before {
					t.Fatalf("%v; the file is %q", err, got)
				}
				return
			}
			if err != nil || string(got) != tt.after {
				t.Fatalf("%q, %v; want %q", got, err, tt.after)
			}
			c, err := w.load()
			if err != nil || c.String(tt.option) != tt.value || c.Origin(tt.option) != config.OriginFile {
				t.Errorf("it reads %q from %s, %v", c.String(tt.option), c.Origin(tt.option), err)
			}
		})
	}
}

// TestSetOptionKeepsTheFile holds mode and link of a file that people keep elsewhere.
func TestSetOptionKeepsTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.file("no_input: true\n")
	path, kept := filepath.Join(w.dir, "config.yaml"), filepath.Join(t.TempDir(), "dotfiles.yaml")
	if err := errors.Join(os.Rename(path, kept), os.Chmod(kept, 0o640), os.Symlink(kept, path)); err != nil {
		t.Fatal(err)
	}
	if err := config.SetOption(w.dir, "output", "json"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
	doc, err := os.ReadFile(kept)
	if err != nil || !strings.HasSuffix(string(doc), "output: json\n") {
		t.Errorf("%q, %v", doc, err)
	}
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
