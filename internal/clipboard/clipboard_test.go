package clipboard_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/clipboard"
)

const text = "kf_0123456789"

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

// tool puts a program on PATH that keeps what it was given: its arguments and its stdin.
func tool(t *testing.T, name, exit string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := "#!/bin/sh\necho \"$@\" > " + dir + "/args\ncat > " + dir + "/stdin\nexit " + exit + "\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

func TestDesktopTool(t *testing.T) {
	dir := tool(t, "xclip", "0")
	how, err := clipboard.Clipboard{Env: env(map[string]string{"DISPLAY": ":0"})}.Copy(t.Context(), text)
	if err != nil || how != "xclip" {
		t.Fatalf("%q, %v", how, err)
	}
	stdin, err := os.ReadFile(filepath.Join(dir, "stdin"))
	if err != nil || string(stdin) != text {
		t.Errorf("stdin %q: %v", stdin, err)
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || strings.Contains(string(args), text) {
		t.Errorf("args %q: %v", args, err)
	}
}

func TestBrokenToolIsNoSuccess(t *testing.T) {
	tool(t, "xclip", "1")
	_, err := clipboard.Clipboard{Env: env(map[string]string{"DISPLAY": ":0"})}.Copy(t.Context(), text)
	if !errors.Is(err, clipboard.ErrNone) || !strings.Contains(err.Error(), "xclip") || strings.Contains(err.Error(), text) {
		t.Errorf("%v", err)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		vars map[string]string
		want string
	}{
		"over SSH": {map[string]string{"SSH_CONNECTION": "x", "DISPLAY": ":0"}, "\x1b]52;c;a2ZfMDEyMzQ1Njc4OQ==\a"},
		"in tmux":  {map[string]string{"SSH_TTY": "x", "TMUX": "x"}, "\x1bPtmux;\x1b\x1b]52;c;a2ZfMDEyMzQ1Njc4OQ==\a\x1b\\"},
	} {
		var terminal bytes.Buffer
		how, err := clipboard.Clipboard{Env: env(tc.vars), Terminal: &terminal}.Copy(t.Context(), text)
		if err != nil || !strings.Contains(how, "OSC 52") || terminal.String() != tc.want {
			t.Errorf("%s: %q, %q, %v", name, how, terminal.String(), err)
		}
		if _, err := (clipboard.Clipboard{Env: env(tc.vars)}).Copy(t.Context(), text); !errors.Is(err, clipboard.ErrNone) {
			t.Errorf("%s without a terminal: %v", name, err)
		}
	}
}
