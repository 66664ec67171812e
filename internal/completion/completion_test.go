package completion

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	used := w.now.Add(-2 * time.Hour)
	web := key(2, "web ünï", api.StatusEnabled)
	web.LastUsedAt = &used
	w.orgs["acme"] = []api.Key{
		web, key(1, "ci", api.StatusEnabled), key(3, "key_x", api.StatusDisabled), key(14, "old", api.StatusExpired),
		key(5, "-rf", api.StatusEnabled), key(6, "a\tb", api.StatusEnabled), key(7, "a\nb", api.StatusEnabled),
		key(8, "_activeHelp_ lie", api.StatusEnabled), key(9, "evil\x1b[2J", api.StatusEnabled), key(10, "", api.StatusEnabled),
		key(11, " x", api.StatusEnabled), key(22, "odd", "new"),
	}
	const (
		ci   = "ci\tkf_…0001 · enabled · never"
		keyX = "key_x\tkf_…0003 · disabled · never"
		odd  = "odd\tkf_…0022 · unknown · never"
		old  = "old\tkf_…0014 · expired · never"
		uni  = "web ünï\tkf_…0002 · enabled · 2 hours ago"
	)
	expect(t, "all", w.tab(t, anyKeys, ""), ci, keyX, odd, old, uni)
	expect(t, "a prefix", w.tab(t, anyKeys, "web "), uni)
	expect(t, "nothing", w.tab(t, anyKeys, "web x"))
	expect(t, "after all", w.tab(t, anyKeys, "zz"))
	expect(t, "given by name and id", w.tab(t, anyKeys, "", "WEB ÜNÏ", "key_1"), keyX, odd, old)
	expect(t, "ids", w.tab(t, anyKeys, "key_1"), "key_1\tci · kf_…0001 · enabled · never", "key_14\told · kf_…0014 · expired · never")
	expect(t, "a name like an id", w.tab(t, anyKeys, "key_x"), keyX)
	enabled := func(f *cliutil.Factory) cobra.CompletionFunc { return Keys(f, api.StatusEnabled) }
	expect(t, "enabled", w.tab(t, enabled, ""), ci, uni)
	expect(t, "enabled ids", w.tab(t, enabled, "key_1"), "key_1\tci · kf_…0001 · enabled · never")
	expect(t, "one key", w.tab(t, Key, "c"), ci)
	expect(t, "no second key", w.tab(t, Key, "c", "old"))
	if n := w.calls.Load(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestTagsOrgsContexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := key(1, "a", api.StatusEnabled), key(2, "b", api.StatusEnabled)
	a.Tags = map[string]string{"team": "web", "env": "a b"}
	b.Tags = map[string]string{"team": "web", "-x": "1"}
	w.orgs["acme"], w.orgs["other"] = []api.Key{a, b}, nil
	expect(t, "tags", w.tab(t, Tags, ""), "env=a b\t1 key", "team=web\t2 keys")
	expect(t, "a tag", w.tab(t, Tags, "team=w"), "team=web\t2 keys")
	expect(t, "orgs", w.tab(t, Orgs, ""), "acme\tThe acme", "other\tThe other")
	expect(t, "an org", w.tab(t, Orgs, "o"), "other\tThe other")
	if n := w.calls.Load(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}

	expect(t, "no contexts", w.tab(t, Contexts, ""))
	dir := filepath.Join(w.env["HOME"], ".config", "keyfob")
	for _, name := range []string{"prod", "default"} {
		if err := config.WriteContext(dir, config.Context{Name: name, URL: "https://keys.example.com"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "contexts", "Not One.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, "contexts", w.tab(t, Contexts, ""), "default\t", "prod\t")
	expect(t, "a context", w.tab(t, Contexts, "p"), "prod\t")
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orgs["acme"] = []api.Key{key(1, "ci", api.StatusEnabled)}
	calls := func(want int32) {
		t.Helper()
		w.tab(t, anyKeys, "")
		if got := w.calls.Load(); got != want {
			t.Errorf("%d calls, want %d", got, want)
		}
	}
	calls(1)
	w.now = w.now.Add(59 * time.Second)
	calls(1)
	w.now = w.now.Add(time.Second)
	calls(2)
	w.now = w.now.Add(-time.Second) // the clock was set back
	calls(3)
	w.status = http.StatusForbidden
	w.now = w.now.Add(time.Hour)
	calls(4)
	w.now = w.now.Add(9 * time.Second)
	calls(4)
	w.now = w.now.Add(time.Second)
	calls(5)
}

// TestIsolation holds that no answer is given for another service, context or organisation.
func TestIsolation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orgs["acme"] = []api.Key{key(1, "acme-key", api.StatusEnabled)}
	w.orgs["other"] = []api.Key{key(2, "other-key", api.StatusEnabled)}
	expect(t, "acme", w.tab(t, anyKeys, ""), "acme-key\tkf_…0001 · enabled · never")
	w.env["KEYFOB_ORG"] = "other"
	expect(t, "other", w.tab(t, anyKeys, ""), "other-key\tkf_…0002 · enabled · never")

	dir := filepath.Join(w.env["HOME"], ".config", "keyfob")
	if err := config.WriteContext(dir, config.Context{Name: "prod", URL: w.env["KEYFOB_URL"]}); err != nil {
		t.Fatal(err)
	}
	w.env["KEYFOB_CONTEXT"] = "prod"
	w.orgs["other"] = nil
	expect(t, "another context", w.tab(t, anyKeys, ""))

	delete(w.env, "KEYFOB_CONTEXT")
	elsewhere := newWorld(t)
	elsewhere.orgs["other"] = []api.Key{key(3, "elsewhere", api.StatusEnabled)}
	w.env["KEYFOB_URL"] = elsewhere.env["KEYFOB_URL"]
	expect(t, "another service", w.tab(t, anyKeys, ""), "elsewhere\tkf_…0003 · enabled · never")
}

func TestCacheFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orgs["acme"] = []api.Key{key(1, "ci", api.StatusEnabled)}
	const ci = "ci\tkf_…0001 · enabled · never"
	dir := filepath.Join(w.env["HOME"], ".cache", "keyfob", "complete")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	expect(t, "first", w.tab(t, anyKeys, ""), ci)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	path := filepath.Join(dir, files[0].Name())
	for p, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v", p, info.Mode(), err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(whole), "kfs_") || strings.Contains(path, "acme") {
		t.Errorf("%s holds %s", path, whole)
	}
	for name, doc := range map[string]string{
		"empty": "", "cut off": string(whole[:len(whole)-5]), "no header": string(whole[20:]), "noise": "\x00\xff\n\n\t\t",
		"one letter off": strings.Replace(string(whole), "ci", "cj", 1), "another version": strings.Replace(string(whole), magic, magic+"0", 1),
		"a wrong length": strings.Replace(string(whole), fmt.Sprintf(" %d ", len("ci\te\tkey_1\tkf_…0001\t\n")), " 9999 ", 1),
	} {
		if doc == string(whole) {
			t.Fatalf("%s is the whole", name)
		}
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, name, w.tab(t, anyKeys, ""), ci)
		if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("%s: not rewritten, %v", name, err)
		}
	}
}

// TestNoCache holds that Tab works where nothing can be kept.
func TestNoCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orgs["acme"] = []api.Key{key(1, "ci", api.StatusEnabled)}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, base := range map[string]string{"a file in the way": file, "a device": "/dev/null", "a folder that can't be": "/proc/self/x"} {
		w.env["XDG_CACHE_HOME"] = base
		expect(t, name, w.tab(t, anyKeys, ""), "ci\tkf_…0001 · enabled · never")
	}
	w.env["KEYFOB_CONFIG_DIR"], w.env["XDG_CACHE_HOME"] = t.TempDir(), ""
	delete(w.env, "HOME")
	expect(t, "no home", w.tab(t, anyKeys, ""), "ci\tkf_…0001 · enabled · never")
}

func TestCacheDir(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		goos string
		env  map[string]string
		want string
	}{
		{"linux", map[string]string{"HOME": "/h"}, "/h/.cache/keyfob/complete"},
		{"darwin", map[string]string{"HOME": "/h", "XDG_CACHE_HOME": "rel"}, "/h/.cache/keyfob/complete"},
		{"linux", map[string]string{"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/c/keyfob/complete"},
		{"windows", map[string]string{"HOME": "/h", "LocalAppData": "/l"}, "/l/keyfob/complete"},
		{"windows", map[string]string{"HOME": "/h", "XDG_CACHE_HOME": "/c"}, ""},
		{"linux", map[string]string{"HOME": "rel"}, ""},
		{"linux", nil, ""},
	} {
		if got := cacheDir(func(name string) string { return tc.env[name] }, tc.goos); got != tc.want {
			t.Errorf("%s %v: %q, want %q", tc.goos, tc.env, got, tc.want)
		}
	}
}

// TestLocalFailures holds that what can be known without asking anybody is not remembered, since signing in mends it.
func TestLocalFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, change := range []map[string]string{
		{"KEYFOB_TOKEN": ""}, {"KEYFOB_URL": ""}, {"KEYFOB_URL": "http://example.com"}, {"KEYFOB_CONTEXT": "nope"}, {"KEYFOB_QUIET": "", "KEYFOB_DEBUG": "maybe"},
	} {
		old := maps.Clone(w.env)
		maps.Copy(w.env, change)
		expect(t, fmt.Sprint(change), w.tab(t, anyKeys, ""))
		w.env = old
	}
	if _, err := os.Stat(filepath.Join(w.env["HOME"], ".cache")); err == nil {
		t.Error("a cache was made")
	}
}

// TestManyMatches holds that a shell that gets fewer words than match completes no further than all of them agree.
func TestManyMatches(t *testing.T) {
	t.Parallel()
	var keys []api.Key
	for i := range 2000 {
		keys = append(keys, key(5000-i, fmt.Sprintf("a-%04d", i), api.StatusEnabled))
	}
	keys = append(keys, key(9000, "b", api.StatusEnabled))
	list := keyList(keys)
	now := time.Now()
	for word, want := range map[string][]string{"": {"a-0000", "b", "1749"}, "a": {"a-0000", "a-1999", "1748"}, "key_": {"key_3001", "key_9000", "1749"}} {
		got := offerKeys(list, word, selection{}, now)
		if len(got) != maxOffered+3 {
			t.Fatalf("%q: offered %d", word, len(got))
		}
		words := slices.Clone(got[:len(got)-1])
		slices.Sort(words)
		help := got[len(got)-1]
		if !strings.HasPrefix(words[0], want[0]+"\t") || !strings.HasPrefix(words[len(words)-1], want[1]+"\t") || help != "_activeHelp_ "+want[2]+" more; type the next letter" {
			t.Errorf("%q: from %q to %q, %q", word, words[0], words[len(words)-1], help)
		}
	}
	if got := offerKeys(list, "a-199", selection{}, now); len(got) != 10 {
		t.Errorf("offered %q", got)
	}
}

// TestNoPanic takes lists that only a hostile hand could have put into a cache.
func TestNoPanic(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"", "\n", "a", "a\n", "\t\n", "a\t\n", "a\te\n", "a\te\tkey_\n", "\n\n\n", "\t\t\t\t\t\t\t\n", "a\te\tkey_1\t\t\nb"} {
		for _, word := range []string{"", "a", "key_", "z"} {
			for _, sel := range []selection{{}, selecting([]api.KeyStatus{api.StatusEnabled}, []string{"x"})} {
				offerKeys([]byte(list), word, sel, time.Time{})
				offerWords([]byte(list), word)
			}
		}
	}
}

// TestDeadline holds that a context that ends ends the wait for pages.
func TestDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orgs["acme"] = []api.Key{key(1, "ci", api.StatusEnabled)}
	streams, _, _, _ := cliutil.TestStreams()
	f := cliutil.NewFactory(streams, func(name string) string { return w.env[name] })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := ask(ctx, f, kindKeys); got.state != stateFailed || w.calls.Load() != 0 {
		t.Errorf("%v after %d calls", got, w.calls.Load())
	}
}
