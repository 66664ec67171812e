package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	// ProgramTimeout bounds a program that is given a secret.
	ProgramTimeout = 60 * time.Second
	programGrace   = 2 * time.Second // for its output, in the hands of a child of its own, after it has ended
	maxSaid        = 4 << 10         // bytes of stderr that are kept
	maxAnswer      = 1 << 20         // bytes of stdout that are looked at
)

// call is one run of a program.
type call struct {
	sink    string // for errors
	argv    []string
	environ func() []string
	limit   time.Duration
	stdin   string
	secret  secret.Secret // is not told of it; zero: it was given none
	answers bool          // its stdout is looked at
}

func lookPath(sink, program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		reason := "there is no program " + program + " on PATH"
		if !errors.Is(err, exec.ErrNotFound) {
			reason = "the program can't be run"
		}
		return "", &Error{Sink: sink, Reason: reason, Hint: "install it, or name it by its path", err: err}
	}
	return path, nil
}

// run runs the program, and returns its stdout if it answers.
func (c call) run(ctx context.Context) (string, error) {
	path, err := lookPath(c.sink, c.argv[0])
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	said, answer := &tail{most: maxSaid}, &bounded{most: maxAnswer}
	cmd := exec.CommandContext(limited, path, c.argv[1:]...) //nolint:gosec // the user's own command, or one of our table
	cmd.Stderr = said
	if c.stdin != "" {
		cmd.Stdin = strings.NewReader(c.stdin)
	}
	if c.answers {
		cmd.Stdout = answer
	}
	cmd.Env = slices.DeleteFunc(c.environ(), config.IsSecret)
	cmd.WaitDelay = programGrace
	ownGroup(cmd)
	err = cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() && !c.answers:
		return answer.kept.String(), nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case limited.Err() != nil:
		return "", &Error{Sink: c.sink, Reason: fmt.Sprintf("it did not end within %s", c.limit), Hint: "see what it waits for by running it yourself", err: err}
	}
	reason := err.Error()
	if why := said.without(c.secret); why != "" {
		reason += ": " + why
	}
	return "", &Error{Sink: c.sink, Reason: reason, err: err}
}

// bounded refuses more than it may keep.
type bounded struct {
	kept bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.kept.Len()+len(p) > b.most {
		return 0, io.ErrShortWrite
	}
	return b.kept.Write(p)
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

// without returns what was said, on one line, but for the secret, any large part of it that the cut may have left, and what looks
// like another of our secrets.
func (t *tail) without(s secret.Secret) string {
	const part = 8
	text := bytes.ToValidUTF8(t.kept, nil)
	whole := []byte{}
	if !s.IsZero() {
		whole = []byte(s.Reveal())
	}
	for n := len(whole); n >= part; n-- {
		text = bytes.ReplaceAll(text, whole[len(whole)-n:], []byte("…"))
		text = bytes.ReplaceAll(text, whole[:n], []byte("…"))
	}
	text = regexp.MustCompile(`kfs?_[0-9A-Za-z]{8,}`).ReplaceAll(text, []byte("…"))
	return strings.Join(strings.Fields(string(text)), " ")
}
