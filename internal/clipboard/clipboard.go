// Package clipboard puts a secret on the user's clipboard: through the desktop's own tool, or, over SSH, through the
// terminal (OSC 52). The secret goes over a pipe, never into arguments. The package must not know what the secret opens.
package clipboard

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// wait bounds a tool; xclip and wl-copy leave a child behind that serves the clipboard, which is not waited for.
const wait = 5 * time.Second

// ErrNone says that there is no clipboard within reach.
var ErrNone = errors.New("no clipboard can be reached: there is neither a terminal nor one of wl-copy, xclip, xsel, pbcopy and clip.exe")

// tool is a program that takes the clipboard's new content on stdin.
type tool struct {
	name string
	args []string
	// env is the variable without which the tool has no desktop to talk to; empty: it needs none.
	env string
}

// tools is in the order of preference.
func tools() []tool {
	return []tool{
		{"wl-copy", nil, "WAYLAND_DISPLAY"},
		{"xclip", []string{"-selection", "clipboard"}, "DISPLAY"},
		{"xsel", []string{"--clipboard", "--input"}, "DISPLAY"},
		{"pbcopy", nil, ""},
		{"clip.exe", nil, ""},
	}
}

// Clipboard is where the secret goes.
type Clipboard struct {
	Env func(string) string
	// Terminal takes OSC 52; nil: there is none.
	Terminal io.Writer
}

// Copy puts text on the clipboard and says with what. Over SSH a desktop's tool would fill the clipboard of the far machine,
// so the terminal is asked.
func (c Clipboard) Copy(ctx context.Context, text string) (how string, err error) {
	if c.Env("SSH_CONNECTION") != "" || c.Env("SSH_TTY") != "" {
		return c.osc52(text)
	}
	var failed []error
	for _, t := range tools() {
		if t.env != "" && c.Env(t.env) == "" {
			continue
		}
		path, err := exec.LookPath(t.name)
		if err != nil {
			continue
		}
		if err := run(ctx, path, t.args, text); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", t.name, err))
			continue
		}
		return t.name, nil
	}
	if how, err := c.osc52(text); err == nil {
		return how, nil
	}
	return "", errors.Join(append([]error{ErrNone}, failed...)...)
}

// osc52 asks the terminal; it does not answer, so whether it obeyed can't be known. tmux passes the sequence on when it is
// wrapped.
func (c Clipboard) osc52(text string) (string, error) {
	if c.Terminal == nil {
		return "", ErrNone
	}
	sequence := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\a"
	if c.Env("TMUX") != "" {
		sequence = "\x1bPtmux;" + strings.ReplaceAll(sequence, "\x1b", "\x1b\x1b") + "\x1b\\"
	}
	_, err := io.WriteString(c.Terminal, sequence)
	return "the terminal (OSC 52)", err
}

func run(ctx context.Context, path string, args []string, text string) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // a name of the table, found on PATH
	cmd.Stdin = strings.NewReader(text)
	// No output is taken: the child that serves the clipboard would hold the pipe open.
	return cmd.Run()
}
