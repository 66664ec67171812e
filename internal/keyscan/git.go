package keyscan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const (
	// maxToken is how much of a path, or of another item that git lists, is kept.
	maxToken = 64 << 10
	// maxSaid is how much of git's stderr is kept.
	maxSaid = 4 << 10
	// grace is how long git's pipes may stay open after its end.
	grace = 5 * time.Second
)

// git runs git in a folder whose repository may be hostile. Only plumbing is run, since it reads no log.* or diff.* that
// names a program; what is left of a repository's configuration that does is set on the command line, which has the last word.
type git struct {
	path string
	dir  string
	env  []string
}

// newGit finds git, or returns ErrNoGit.
func (s Scanner) newGit(dir string) (git, error) {
	name := s.Git
	if name == "" {
		name = "git"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return git{}, ErrNoGit
	}
	return git{path, dir, gitEnviron(s.Environ)}, nil
}

// gitEnviron is the environment for git: the caller's without our variables and without git's own, which would lead to another
// repository, write traces or start programs. Where its configuration lies and what it trusts stays the user's word.
func gitEnviron(environ []string) []string {
	env := slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		name = strings.ToUpper(name)
		return strings.HasPrefix(name, "KEYFOB_") || strings.HasPrefix(name, "LC_") || name == "LANGUAGE" ||
			strings.HasPrefix(name, "GIT_") && !strings.HasPrefix(name, "GIT_CONFIG") && name != "GIT_CEILING_DIRECTORIES"
	})
	return append(env,
		"LC_ALL=C", // its errors are told apart by their words
		"GIT_ALLOW_PROTOCOL=none",
		"GIT_NO_LAZY_FETCH=1",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0",
	)
}

// command prepares a git command that ends with the context.
func (g git) command(ctx context.Context, args ...string) (*exec.Cmd, *said) {
	argv := append([]string{"--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"}, args...)
	cmd := exec.CommandContext(ctx, g.path, argv...) //nolint:gosec // git, with arguments from this package
	cmd.Dir, cmd.Env = g.dir, g.env
	cmd.WaitDelay = grace
	words := &said{}
	cmd.Stderr = words
	return cmd, words
}

// fail says why a command failed: the context first, since it kills.
func fail(ctx context.Context, command string, words *said, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text := mask(words.String())
	if strings.Contains(text, "not a git repository") {
		return ErrNotRepository
	}
	return &GitError{Command: command, Said: text, Err: err}
}

// answer returns the one short line that a command prints.
func (g git) answer(ctx context.Context, args ...string) (string, error) {
	cmd, words := g.command(ctx, args...)
	out, err := cmd.Output()
	if err != nil {
		return "", fail(ctx, args[0], words, err)
	}
	return strings.TrimRight(string(out), "\r\n"), nil
}

// ignores says whether the folder itself is one that git ignores, so that git knows of nothing in it.
func (g git) ignores(ctx context.Context) (bool, error) {
	cmd, words := g.command(ctx, "check-ignore", "-q", ".")
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 && ctx.Err() == nil {
		return false, nil
	}
	if err != nil {
		return false, fail(ctx, "check-ignore", words, err)
	}
	return true, nil
}

// each calls visit with every item of a command's output, which end with a NUL after -z and else with a
// line feed. first, if any, is a command whose output the command reads.
func (g git) each(ctx context.Context, first, args []string, visit func(item string) error) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd, words := g.command(running, args...)
	items, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start git: %w", err)
	}
	wait := func() error {
		if err := cmd.Wait(); err != nil {
			return fail(ctx, args[0], words, err)
		}
		return nil
	}
	if first == nil {
		err = cmd.Start()
	} else {
		wait, err = g.feed(ctx, running, first, cmd, wait)
	}
	if err != nil {
		return fmt.Errorf("start git: %w", err)
	}
	end := byte('\n')
	if slices.Contains(args, "-z") {
		end = 0
	}
	if err := eachItem(items, end, visit); err != nil {
		stop() // what git says then is about that
		_ = wait()
		return err
	}
	return wait()
}

// feed starts both commands, the first one's output going to the second. The returned function waits for both.
func (g git) feed(ctx, running context.Context, first []string, second *exec.Cmd, wait func() error) (func() error, error) {
	feeder, words := g.command(running, first...)
	pipe, err := feeder.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := feeder.Start(); err != nil {
		return nil, err
	}
	second.Stdin = pipe
	err = second.Start()
	_ = pipe.Close() // were it open here, too, the first would not notice the second's end
	if err != nil {
		_ = feeder.Wait()
		return nil, err
	}
	return func() error {
		err := wait()
		if failed := feeder.Wait(); failed != nil && (err == nil || len(words.kept) > 0) {
			return fail(ctx, first[0], words, failed) // else it only noticed the second's end
		}
		return err
	}, nil
}

// eachItem reads items. Of one that is too long the beginning counts.
func eachItem(r io.Reader, end byte, visit func(item string) error) error {
	in := bufio.NewReaderSize(r, maxToken)
	for {
		item, err := in.ReadSlice(end)
		kept := string(bytes.TrimSuffix(item, []byte{end}))
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice(end)
		}
		if err != nil {
			return nil //nolint:nilerr // the end; a git that was killed or failed says so in Wait
		}
		if err := visit(kept); err != nil {
			return err
		}
	}
}

// said keeps the beginning of git's stderr.
type said struct{ kept []byte }

// Write never fails, so that git goes on.
func (s *said) Write(b []byte) (int, error) {
	s.kept = append(s.kept, b[:min(len(b), maxSaid-len(s.kept))]...)
	return len(b), nil
}

// String is what was said, on one line and printable.
func (s *said) String() string {
	printable := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(s.kept), "�"))
	words := strings.Fields(printable)
	if len(s.kept) == maxSaid && len(words) > 0 {
		words = words[:len(words)-1] // half a secret would not be known as one
	}
	return strings.Join(words, " ")
}
