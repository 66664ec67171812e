package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	// ProgramTimeout bounds a program that is given a secret.
	ProgramTimeout = 60 * time.Second
	programGrace   = 2 * time.Second // for its output, in the hands of a child of its own, after it has ended
	maxSaid        = 4 << 10         // bytes of stderr that are kept
)

// Program is a command that reads a secret from its stdin: the secret's characters and nothing else, no line break. Its stdout is
// not looked at; its stderr is told when it fails, without the secret.
type Program struct {
	name    string
	words   []string
	environ func() []string
	limit   time.Duration
}

// ParseProgram splits a command into words as Words does. No shell is run.
func ParseProgram(command string, sys System) (*Program, error) {
	words, err := Words(command)
	if err != nil {
		return nil, &Error{Sink: "the command", Reason: err.Error(), Hint: "quote it as in 'sh -c \"…\"'", Usage: true}
	}
	// The words may hold what is nobody's business: receipts name the program, and tell commands apart by a digest.
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	p := &Program{words: words, environ: sys.Environ, limit: ProgramTimeout}
	p.name = "exec:" + filepath.Base(words[0]) + " (" + hex.EncodeToString(sum[:4]) + ")"
	return p, nil
}

func parseExec(command string, sys System) (Sink, error) { return ParseProgram(command, sys) }

// Name is the program and a digest of the command.
func (p *Program) Name() string { return p.name }

// Ready says whether there is such a program.
func (p *Program) Ready(context.Context) error {
	_, err := p.path()
	return err
}

func (p *Program) path() (string, error) {
	path, err := exec.LookPath(p.words[0])
	if err != nil {
		reason := "there is no such program on PATH"
		if !errors.Is(err, exec.ErrNotFound) {
			reason = "the program can't be run"
		}
		return "", &Error{Sink: p.name, Reason: reason, Hint: "install it, or name it by its path", err: err}
	}
	return path, nil
}

// Put runs the program with the secret on its stdin.
func (p *Program) Put(ctx context.Context, s secret.Secret) error {
	path, err := p.path()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	said := &tail{most: maxSaid}
	cmd := exec.CommandContext(limited, path, p.words[1:]...) //nolint:gosec // the user's own command
	cmd.Stdin, cmd.Stderr = strings.NewReader(s.Reveal()), said
	cmd.Env = slices.DeleteFunc(p.environ(), isOurs)
	cmd.WaitDelay = programGrace
	ownGroup(cmd)
	err = cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return &Error{Sink: p.name, Reason: fmt.Sprintf("it did not end within %s", p.limit), Hint: "see what it waits for by running it yourself", err: err}
	}
	reason := err.Error()
	if why := said.without(s); why != "" {
		reason += ": " + why
	}
	return &Error{Sink: p.name, Reason: reason, err: err}
}

// isOurs says whether a variable of the environment is for Keyfob alone.
func isOurs(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return strings.EqualFold(name, "KEYFOB_TOKEN") || strings.EqualFold(name, "KEYFOB_PASSPHRASE")
}

// tail keeps the end of what is written to it.
type tail struct {
	kept []byte
	most int
}

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - t.most; over > 0 {
		t.kept = slices.Delete(t.kept, 0, over)
	}
	return len(b), nil
}

// without returns what was said, on one line, but for the secret and any large part of it that the cut may have left.
func (t *tail) without(s secret.Secret) string {
	const part = 8
	text := bytes.ToValidUTF8(t.kept, nil)
	whole := []byte(s.Reveal())
	for n := len(whole); n >= part; n-- {
		text = bytes.ReplaceAll(text, whole[len(whole)-n:], []byte("…"))
		text = bytes.ReplaceAll(text, whole[:n], []byte("…"))
	}
	return strings.Join(strings.Fields(string(text)), " ")
}
