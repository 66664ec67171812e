package sink

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

func TestParse(t *testing.T) {
	t.Parallel()
	pasted := secret.New(secret.Key).Reveal()
	for spec, want := range map[string]string{
		"stdout":              "stdout",
		"file:a:b":            "file:a:b",
		"dotenv:a#b#KEY":      "dotenv:a#b#KEY",
		"exec:/bin/cat -n":    "exec:cat (",
		"exec:'/a b/c' '#'":   "exec:c (",
		"":                    "! this is no sink",
		"stdout:":             "! this is no sink",
		"file":                "! this is no sink",
		"vault:a":             "! this is no place",
		"file:":               "! path is missing",
		"file:a\x00":          "! path is missing",
		"dotenv:a":            "! name of the variable is missing",
		"dotenv:a#":           "! not the name",
		"dotenv:a#1A":         "! not the name",
		"dotenv:a#A-B":        "! not the name",
		"dotenv:#A":           "! path is missing",
		"exec:":               "! it is empty",
		"exec:''":             "! it is empty",
		"exec:sh -c 'a":       "! a quote is not closed",
		`exec:a\`:             "! ends in a backslash",
		pasted:                "! this is no sink",
		"other:" + pasted[3:]: "! this is no sink",
	} {
		s, err := Parse(spec, System{Environ: os.Environ})
		if reason, bad := strings.CutPrefix(want, "! "); bad {
			var known *Error
			if !errors.As(err, &known) || !known.Usage || !strings.Contains(known.Error(), reason) {
				t.Errorf("%q: %v, want %q", spec, err, reason)
			}
			if strings.Contains(known.Error(), pasted) {
				t.Errorf("the error repeats a secret: %v", known)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(s.Name(), want) {
			t.Errorf("%q: %v, %v", spec, s, err)
		}
	}
	if _, err := ParseAll([]string{"file:a", "file:a"}, System{}); err == nil {
		t.Error("a sink is taken twice")
	}
	if all, err := ParseAll(nil, System{}); err != nil || len(all) != 1 || all[0].Name() != "stdout" {
		t.Errorf("none: %v, %v", all, err)
	}
}

// TestKinds: each kind says truly whether it can be read back.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		if k.Program != "" {
			continue // TestPresets
		}
		spec := strings.NewReplacer("PATH", "x", "NAME", "X", "COMMAND", "true").Replace(k.Form)
		sys := System{Environ: os.Environ, Clients: func(id string) (Sink, error) { return file{place{name: "mcp:" + id}}, nil }}
		s, err := Parse(spec, sys)
		if err != nil {
			t.Fatal(err)
		}
		reads := ReadsBack(s)
		if reads != k.ReadsBack || k.Help == "" || !strings.HasPrefix(k.Form, k.Name) {
			t.Errorf("%+v", k)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][]string{
		`gh secret set KEY`:            {"gh", "secret", "set", "KEY"},
		`  a` + "\t\n" + `b  `:         {"a", "b"},
		`sh -c "read k; echo \"$k\""`:  {"sh", "-c", `read k; echo "$k"`},
		`sh -c 'printf "%s\n" \'`:      {"sh", "-c", `printf "%s\n" \`},
		`a "x\ny" \n \  ''`:            {"a", `x\ny`, "n", " ", ""},
		`a"b"'c'\d`:                    {"abcd"},
		`$HOME *.txt | ; > & $(id) é`:  {"$HOME", "*.txt", "|", ";", ">", "&", "$(id)", "é"},
		`"C:\Program Files\x.exe" '/'`: {`C:\Program Files\x.exe`, "/"},
	} {
		got, err := Words(command)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", command, got, err, want)
		}
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes and links are Unix's")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(at("open"), []byte("old"), 0o644), os.Symlink("open", at("link")), os.Symlink("nowhere", at("dangling")),
		os.Symlink("loop", at("loop")), os.WriteFile(at("twice"), nil, 0o600), os.Link(at("twice"), at("again")),
		os.Mkdir(at("folder"), 0o700), os.WriteFile(at("large"), make([]byte, maxFile+1), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, reason := range map[string]string{
		"new": "", "open": "", "link": "", "dangling": "leads nowhere", "loop": "too many links", "twice": "second name",
		"folder": "no regular file", "large": "larger", "none/x": "folder does not exist", "open/x": "not a directory",
	} {
		s, sec := parse(t, "file:"+at(name)), secret.New(secret.Key)
		for _, err := range []error{s.Ready(t.Context()), s.Put(t.Context(), sec)} {
			if reason == "" && err != nil || reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
				t.Errorf("%s: %v, want %q", name, err, reason)
			}
		}
		if reason != "" {
			continue
		}
		if got := content(t, at(name)); got != sec.Reveal()+"\n" {
			t.Errorf("%s holds %q", name, got)
		}
		if info, err := os.Stat(at(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		if held, err := Holds(t.Context(), s.(Reader), sec); !held || err != nil {
			t.Errorf("%s does not hold the secret: %v", name, err)
		}
	}
	if info, err := os.Lstat(at("link")); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Error("the symbolic link was replaced")
	}
	if left, _ := filepath.Glob(at(".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFileIsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	path := envFile(t, "KEY=old\n")
	p := place{"x", path}
	was, err := p.read()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("KEY=theirs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.write(was, []byte("KEY=ours\n")); err == nil || !strings.Contains(err.Error(), "changed it in the same moment") {
		t.Errorf("got %v", err)
	}
	if got := content(t, path); got != "KEY=theirs\n" {
		t.Errorf("another program's change is lost: %q", got)
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Logf("in %s", dir)
	sec := secret.New(secret.Key)
	environ := func() []string {
		return append(os.Environ(), "KEYFOB_TOKEN=kfs_x", "KEYFOB_PASSPHRASE=p", "KEYFOB_ID_TOKEN=jwt", "OTHER=o", "DIR="+dir)
	}
	run := func(ctx context.Context, command string, limit time.Duration) error {
		p, err := ParseProgram(command, System{Environ: environ})
		if err != nil {
			t.Fatal(err)
		}
		p.limit = limit
		return p.Put(ctx, sec)
	}
	if err := run(t.Context(), `sh -c 'cat >"$DIR/got"; env >"$DIR/env"; echo noise; echo noise >&2'`, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, "got")); got != sec.Reveal() {
		t.Errorf("stdin was %q", got)
	}
	env := content(t, filepath.Join(dir, "env"))
	if strings.Contains(env, "KEYFOB_TOKEN") || strings.Contains(env, "KEYFOB_PASSPHRASE") || strings.Contains(env, "jwt") || !strings.Contains(env, "OTHER=o") || strings.Contains(env, sec.Reveal()) {
		t.Errorf("environment:\n%s", env)
	}
	for command, want := range map[string]string{
		`sh -c 'k=$(cat); echo "no to $k" >&2; echo "${k%??}" >&2; exit 3'`: "exit status 3: no to … …",
		`sh -c 'exit 1'`:     "exit status 1",
		`keyfob-no-such`:     "there is no program keyfob-no-such on PATH",
		dir:                  "the program can't be run",
		`sh -c 'kill -9 $$'`: "killed",
		`sh -c 'head -c 20000 /dev/zero | tr "\0" x >&2; exit 1'`: "xxx",
	} {
		err := run(t.Context(), command, time.Minute)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), sec.Reveal()[3:20]) || len(err.Error()) > 2*maxSaid {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
	}
	if err := run(t.Context(), `true`, time.Minute); err != nil {
		t.Errorf("a program that does not read: %v", err)
	}
	started := time.Now()
	if err := run(t.Context(), `sh -c 'sleep 60 & sleep 60'`, 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not end within 200ms") {
		t.Errorf("a program that hangs: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := run(ctx, `sleep 60`, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a run that is given up: %v", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestProgramNamesHoldNoArguments(t *testing.T) {
	t.Parallel()
	a, _ := ParseProgram("curl -H 'X: hush'", System{})
	b, _ := ParseProgram("curl -H 'X: hark'", System{})
	c, _ := ParseProgram("curl  -H  \"X: hush\"", System{})
	if a.Name() == b.Name() || a.Name() != c.Name() || strings.Contains(a.Name(), "hush") {
		t.Errorf("%s, %s, %s", a.Name(), b.Name(), c.Name())
	}
}

func TestStdout(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s, err := Parse("stdout", System{Print: func(s secret.Secret) error { _, err := out.WriteString(s.Reveal()); return err }})
	if err != nil {
		t.Fatal(err)
	}
	sec := secret.New(secret.Key)
	if err := errors.Join(s.Ready(t.Context()), s.Put(t.Context(), sec)); err != nil || out.String() != sec.Reveal() {
		t.Errorf("%q, %v", out.String(), err)
	}
}
