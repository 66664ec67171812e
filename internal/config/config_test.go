package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/pflag"

	"github.com/keyfob/keyfob/internal/config"
)

// world is a home folder and an environment of its own.
type world struct {
	t   *testing.T
	dir string
	env map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "config")
	return &world{t: t, dir: dir, env: map[string]string{"KEYFOB_CONFIG_DIR": dir}}
}

func (w *world) load(flags ...string) (*config.Config, error) {
	w.t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	for _, o := range config.Options() {
		switch {
		case o.Flag == "":
		case o.Bool:
			set.Bool(o.Flag, false, "")
		default:
			set.String(o.Flag, o.Default, "")
		}
	}
	if err := set.Parse(flags); err != nil {
		w.t.Fatal(err)
	}
	return config.Load(config.Params{Env: func(k string) string { return w.env[k] }, Flags: set, GOOS: "linux"})
}

func (w *world) file(content string) {
	w.t.Helper()
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "config.yaml"), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) context(c config.Context) {
	w.t.Helper()
	if err := config.WriteContext(w.dir, c); err != nil {
		w.t.Fatal(err)
	}
	if err := config.UseContext(w.dir, c.Name); err != nil {
		w.t.Fatal(err)
	}
}

// TestPrecedence walks each step of flag > environment > context > file > default.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expect := func(option, value string, origin config.Origin, flags ...string) {
		t.Helper()
		c, err := w.load(flags...)
		if err != nil {
			t.Fatal(err)
		}
		if c.String(option) != value || c.Origin(option) != origin {
			t.Errorf("%s = %q from %s, want %q from %s", option, c.String(option), c.Origin(option), value, origin)
		}
	}
	expect(config.OptOutput, "table", config.OriginDefault)
	expect(config.OptURL, "", config.OriginDefault)
	w.file("output: yaml\n")
	expect(config.OptOutput, "yaml", config.OriginFile)
	w.context(config.Context{Name: "my.prod", URL: "https://a.example", Org: "acme"})
	expect(config.OptContext, "my.prod", config.OriginContext)
	expect(config.OptURL, "https://a.example", config.OriginContext)
	expect(config.OptOrg, "acme", config.OriginContext)
	w.env["KEYFOB_ORG"], w.env["KEYFOB_OUTPUT"], w.env["KEYFOB_URL"] = "env", "json", "https://b.example"
	expect(config.OptOrg, "env", config.OriginEnv)
	expect(config.OptURL, "https://b.example", config.OriginEnv)
	expect(config.OptOutput, "json", config.OriginEnv)
	expect(config.OptOutput, "table", config.OriginFlag, "--output=table")
	expect(config.OptOrg, "flag", config.OriginFlag, "--org=flag")
	w.context(config.Context{Name: "other", URL: "https://c.example"})
	expect(config.OptContext, "my.prod", config.OriginFlag, "--context=my.prod")
}

func TestBrokenConfiguration(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		arrange func(*world)
		want    string
	}{
		"broken YAML":           {func(w *world) { w.file("output: [json\n") }, "config.yaml can't be read"},
		"a planted URL":         {func(w *world) { w.file("url: https://evil.example\n") }, `sets "url", which a file can't set`},
		"a planted token":       {func(w *world) { w.file("token: x\n") }, `sets "token"`},
		"a typo":                {func(w *world) { w.file("ouput: json\n") }, `sets "ouput"`},
		"no boolean":            {func(w *world) { w.file("no_input: maybe\n") }, "neither true nor false"},
		"env no boolean":        {func(w *world) { w.env["KEYFOB_NO_INPUT"] = "maybe" }, "KEYFOB_NO_INPUT is \"maybe\""},
		"no format":             {func(w *world) { w.file("output: xml\n") }, "config.yaml can't be \"xml\""},
		"env no format":         {func(w *world) { w.env["KEYFOB_OUTPUT"] = "xml" }, "KEYFOB_OUTPUT can't be \"xml\""},
		"no HOME":               {func(w *world) { w.env = nil }, "HOME is not set"},
		"relative HOME":         {func(w *world) { w.env = map[string]string{"HOME": "x"} }, "not an absolute path"},
		"relative XDG, no HOME": {func(w *world) { w.env = map[string]string{"XDG_CONFIG_HOME": "x"} }, "HOME is not set"},
	}
	for name, tc := range cases {
		w := newWorld(t)
		tc.arrange(w)
		_, err := w.load()
		var bad *config.Error
		if !errors.As(err, &bad) || !strings.Contains(bad.Msg, tc.want) || bad.Hint == "" {
			t.Errorf("%s: %v, want %q and a hint", name, err, tc.want)
		}
	}
}

// TestContextErrorsWait holds that a bad context stops only those who need it.
func TestContextErrorsWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := w.load("--context=nope")
	if err != nil {
		t.Fatal(err)
	}
	var bad *config.Error
	if !errors.As(c.ContextErr(), &bad) || !bad.Missing {
		t.Errorf("a missing context: %v", c.ContextErr())
	}
	w.context(config.Context{Name: "a", URL: "https://a.example"})
	if err := os.WriteFile(filepath.Join(w.dir, "contexts", "a.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = w.load(); err != nil || c.ContextErr() == nil {
		t.Errorf("a damaged context: %v, %v", err, c.ContextErr())
	}
	for _, name := range []string{"../x", "a/b", "", "A", "-a", ".x", strings.Repeat("a", 64)} {
		if config.CheckName(name) == nil {
			t.Errorf("%q can name a context", name)
		}
	}
}

// TestFilesArePrivateAndWhole writes one context from many sides at once.
func TestFilesArePrivateAndWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := config.WriteContext(w.dir, config.Context{Name: "a", URL: "https://a.example"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(filepath.Join(w.dir, "contexts"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("files left over: %v, %v", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(w.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", info.Mode(), err)
	}
}

// TestOptionsAreConsistent holds the rules of the table.
func TestOptionsAreConsistent(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range config.Options() {
		if seen[o.Name] {
			t.Errorf("%s stands twice", o.Name)
		}
		seen[o.Name] = true
		if o.Env != "" && o.Env != "KEYFOB_"+strings.ToUpper(o.Name) {
			t.Errorf("%s is called %s in the environment", o.Name, o.Env)
		}
		if o.File && (o.Name == config.OptURL || o.Sensitive) {
			t.Errorf("a file can set %s", o.Name)
		}
		if o.Default != "" && len(o.Values) > 0 && !slices.Contains(o.Values, o.Default) {
			t.Errorf("%s has a default that it can't have", o.Name)
		}
		if o.Usage == "" {
			t.Errorf("%s has no usage", o.Name)
		}
	}
}
