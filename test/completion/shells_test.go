package completion

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shell is how a shell is started on a terminal with the completion script loaded and a prompt of "READY>".
type shell struct {
	name    string
	rc      string // file of the start-up script, below the home
	setup   string
	command string
}

func shells() []shell {
	return []shell{
		{"bash", "rc", "PS1='READY> '\nsource ./script\n", "bash --noprofile --rcfile rc -i"},
		{"zsh", ".zshrc", "PS1='READY> '\nunsetopt prompt_sp\nautoload -U compinit\ncompinit -u -D\nsource ./script\n", "zsh --no-globalrcs -i"},
		{"fish", ".config/fish/config.fish", "function fish_prompt\n  echo -n 'READY> '\nend\nset -g fish_greeting\nsource ./script\n", "fish -i"},
	}
}

// terminal is a shell on a pseudo-terminal.
type terminal struct {
	in   io.Writer
	out  chan []byte
	seen bytes.Buffer
}

// open starts the shell in a folder with files. A keyfob on its PATH completes as the real one does, and instead of
// doing anything shows the arguments that arrived.
func (s shell) open(t *testing.T, w world) *terminal {
	t.Helper()
	shim := filepath.Join(w.home, "bin")
	write(t, filepath.Join(w.home, "script"), w.keyfob(t, "completion", s.name), 0o600)
	write(t, filepath.Join(w.home, s.rc), s.setup, 0o600)
	write(t, filepath.Join(w.home, "filename.txt"), "", 0o600)
	write(t, filepath.Join(shim, "keyfob"), fmt.Sprintf(`#!/bin/sh
case $1 in
__complete) exec %s/keyfob "$@" ;;
esac
printf 'ARGS'
printf '[%%s]' "$@"
printf 'END\n'
`, bin(t)), 0o700)

	cmd := exec.CommandContext(t.Context(), "script", "-qfec", "stty cols 200 rows 50; exec "+s.command, "/dev/null")
	cmd.Dir = w.home
	cmd.Env = slices.Concat(w.env, []string{"PATH=" + shim + ":/usr/bin:/bin", "SHELL=/bin/sh", "ZDOTDIR=" + w.home})
	cmd.WaitDelay = patience
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{in: in, out: make(chan []byte, 1024)}
	go func() {
		defer close(term.out)
		for {
			buf := make([]byte, 4096)
			n, err := stdout.Read(buf)
			if n > 0 {
				term.out <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_, _ = io.WriteString(in, "\x03\nexit\n")
		_ = in.Close()
		_ = cmd.Wait()
	})
	term.until(t, "READY> ")
	return term
}

// until reads until the text appears and returns what came, up to and with it.
func (term *terminal) until(t *testing.T, text string) string {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		if i := strings.Index(term.seen.String(), text); i >= 0 {
			return string(term.seen.Next(i + len(text)))
		}
		select {
		case more, open := <-term.out:
			if !open {
				t.Fatalf("the shell ended before %q came: %q", text, term.seen.String())
			}
			term.seen.Write(more)
		case <-timeout.C:
			t.Fatalf("%q did not come: %q", text, term.seen.String())
		}
	}
}

func (term *terminal) send(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(term.in, keys); err != nil {
		t.Fatal(err)
	}
}

// enter types keys and Enter, and returns the arguments that arrived, each in brackets.
func (term *terminal) enter(t *testing.T, keys string) string {
	t.Helper()
	term.send(t, keys+"\r")
	term.until(t, "ARGS")
	args := strings.TrimSuffix(term.until(t, "END"), "END")
	term.until(t, "READY> ")
	return args
}

// TestShells completes names that are hard to quote, in shells on a terminal.
func TestShells(t *testing.T) {
	t.Parallel()
	cases := []struct{ keys, want string }{
		{"c\t", "[ci]"},
		{"we\tt\t", "[web two]"},
		{"we\tü\t", "[web ünï]"},
		{"a\t", "[a'b]"},
		{"a\tc\t", "[a'b][ci]"},
		{"we\tü\twe\tc\t", "[web ünï][web two][ci]"},
		{"\\$\t1\t", "[$(touch pwned)1]"},
		{"\\$\t1\tc\t", "[$(touch pwned)1][ci]"},
		{"\\$\t1\t\\$\t", "[$(touch pwned)1][$(touch pwned)2]"},
		{"bac\t", `[back\slash]`},
		{"lo\tb\t", "[lo:g b]"},
		{"eq\t", "[eq=x]"},
		{"down\t", "[down]"},
		{"f\t", "[f]"}, // there is a file, and no key
		{"ci f\t", "[ci][f]"},
		{"\"f\t\"", "[f]"},
	}
	for _, s := range shells() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			need(t, s.name, "script")
			w := realService(t, "ci", "web ünï", "web two", "a'b", "$(touch pwned)1", "$(touch pwned)2", `back\slash`, "lo:g a", "lo:g b", "eq=x", "down")
			term := s.open(t, w)
			for _, tc := range cases {
				if got := term.enter(t, "keyfob keys disable "+tc.keys); got != "[keys][disable]"+tc.want {
					t.Errorf("%q gave %s, want [keys][disable]%s", tc.keys, got, tc.want)
				}
			}
			for _, name := range []string{"pwned", "filename.txt"} {
				if _, err := os.Stat(filepath.Join(w.home, name)); (err == nil) != (name == "filename.txt") {
					t.Errorf("%s: %v", name, err)
				}
			}
			term.send(t, "keyfob keys disable \t\t")
			list := term.until(t, "enabled · never") + term.until(t, "web two") + term.until(t, "enabled · never")
			if !strings.Contains(list, "kf_…") || strings.Contains(list, "filename") {
				t.Errorf("offered: %q", list)
			}
		})
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
